"""The trials of a search, in Optuna; several processes share them through a journal file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..files import write_atomically
from ..spec.errors import DataError, SpikeLoomError, UsageError
from ..tailor import Run
from ..train.config import TrainConfig
from .cost import Cost, check_lanes, cost_of
from .space import LANES, Variation

JOURNAL_FILE = "journal.log"
FRONT_FILE = "front.json"
STUDY = "spikeloom"
OBJECTIVES = {
    "accuracy": "maximize",
    "cycles": "minimize",
    "sops": "minimize",
    "luts": "minimize",
    "weight_bytes": "minimize",
}
"""What may be searched for, and which way is better."""

COST_SAMPLES = 200
"""Test samples on which cycles and operations are counted."""


@dataclass(frozen=True)
class SearchConfig:
    """A search.

    Parameters
    ----------
    base
        What does not vary; ``validation`` above 0, as trials are judged by held-out samples.
    space
        What varies.
    objectives
        Some of :data:`OBJECTIVES`; with several, the search is for their Pareto front.
    lanes
        Of the build, where they do not vary.
    trials
        Number of trials in the journal, by all processes, at which a process stops; each of
        several may finish one more.
    worker
        Number of this process, 0 and up: part of the seed of what it tries.
    """

    base: TrainConfig
    space: tuple[Variation, ...]
    objectives: tuple[str, ...] = ("accuracy", "cycles")
    lanes: int = 128
    trials: int = 20
    worker: int = 0

    def __post_init__(self) -> None:
        if not self.objectives or len(set(self.objectives)) != len(self.objectives):
            raise UsageError(f"objectives must be different ones, not {self.objectives!r}")
        for name in self.objectives:
            if name not in OBJECTIVES:
                raise UsageError(f"an objective must be one of {', '.join(OBJECTIVES)}, not {name}")
        if not self.base.validation:
            raise UsageError("validation must be at least 1 in a search, not 0: trials are judged "
                             "by held-out samples, not by the test set")  # fmt: skip
        check_lanes(self.lanes)
        for name in ("trials", "worker"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < (name == "trials"):
                raise UsageError(f"{name} must be a positive number, not {value!r}")

    def identity(self) -> str:
        """Return what all processes of a search must agree on, as JSON text."""
        base = {k: v for k, v in self.base.to_dict().items() if k not in ("data_dir", "threads")}
        space = [str(variation) for variation in self.space]
        facts = {"base": base, "space": space, "objectives": self.objectives, "lanes": self.lanes}
        return json.dumps(facts, sort_keys=True)


@dataclass(frozen=True)
class TrialResult:
    """One trial: its number, what varied, accuracies (0 to 1) and costs."""

    number: int
    parameters: dict[str, Any]
    accuracy: float
    test_accuracy: float
    cost: Cost

    def values(self, objectives: tuple[str, ...]) -> list[float]:
        """Return the objectives' values."""
        found = {"accuracy": self.accuracy, **asdict(self.cost)}
        return [float(found[name]) for name in objectives]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return asdict(self)


def run_trial(config: SearchConfig, chosen: dict[str, Any], folder: Path, number: int) -> Any:
    """Train and measure one choice.

    Parameters
    ----------
    config
        The search.
    chosen
        Values by field name.
    folder
        Gets the run's checkpoint, metrics and network.
    number
        Of the trial.

    Returns
    -------
    A :class:`TrialResult`.
    """
    from ..train.run import train
    from ..train.stages import best_row, rows_of

    fields = {name: value for name, value in chosen.items() if name != LANES}
    lanes = int(chosen.get(LANES, config.lanes))
    made = replace(config.base, **fields)
    check_lanes(lanes)
    result = train(made, folder, progress=False)
    result.write(folder / "network", replace=True)
    stage = "qat" if made.epochs_qat else "float"
    kept = best_row(rows_of(result.history, stage), made)
    cost = cost_of(result.network, _run(result), lanes)
    accuracy = float(kept["validation_accuracy"])
    return TrialResult(number, dict(chosen), accuracy, result.accuracy_quantised, cost)


def _run(result: Any) -> Run:
    """Return what the trained network does with its first test samples."""
    inputs = result.test_inputs[:COST_SAMPLES]
    return Run(
        {result.network.inputs[0].name: inputs, **result.quantised_spikes(inputs)},
        result.quantised_potentials(inputs),
        result.quantised_final(inputs),
    )


class Search:
    """Trials in a folder, which other processes may share.

    Parameters
    ----------
    config
        What is searched, and how.
    folder
        Gets journal.log, front.json and a folder per trial; is made if absent.

    Raises
    ------
    UsageError
        If Optuna is not installed, or the folder holds another search.
    DataError
        If the journal is damaged.
    """

    def __init__(self, config: SearchConfig, folder: Path) -> None:
        self.config, self.folder = config, Path(folder)
        try:
            import optuna
        except ImportError:
            raise UsageError(
                "a search needs the package optuna; run: pip install 'spikeloom[search]'"
            ) from None
        self._optuna = optuna
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._study = self._open(self.folder / JOURNAL_FILE)

    def _open(self, journal: Path) -> Any:
        optuna, config = self._optuna, self.config
        try:
            backend = optuna.storages.journal.JournalFileBackend(str(journal))
            study = optuna.create_study(
                storage=optuna.storages.JournalStorage(backend),
                study_name=STUDY,
                directions=[OBJECTIVES[name] for name in config.objectives],
                sampler=optuna.samplers.TPESampler(seed=config.base.seed * 1000 + config.worker),
                load_if_exists=True,
            )
            found = study.user_attrs.get("search")
        except (ValueError, KeyError, TypeError, AssertionError) as error:
            raise DataError(
                f"{journal} cannot be read as the journal of a search: {error}"
            ) from None
        if found is None:
            study.set_user_attr("search", config.identity())
        elif found != config.identity():
            raise UsageError(f"{journal} is of another search; give its options, or another folder")
        return study

    def run(self, on_trial: Callable[[TrialResult | str], None] = lambda trial: None) -> None:
        """Run trials until there are ``trials`` of them, and write the front.

        ``on_trial`` gets each result, or why a trial has none.
        """
        states = self._optuna.trial.TrialState
        ended = (states.COMPLETE, states.FAIL, states.PRUNED)
        limit = self._optuna.study.MaxTrialsCallback(self.config.trials, states=ended)

        def objective(trial: Any) -> list[float]:
            chosen = {v.name: v.suggest(trial) for v in self.config.space}
            folder = self.folder / "trials" / f"{trial.number:04d}"
            try:
                result = run_trial(self.config, chosen, folder, trial.number)
            except SpikeLoomError as error:
                trial.set_user_attr("error", str(error))
                on_trial(f"trial {trial.number}: {error}")
                raise
            trial.set_user_attr("result", result.to_dict())
            on_trial(result)
            return list(result.values(self.config.objectives))

        if len(self._study.get_trials(deepcopy=False, states=ended)) < self.config.trials:
            self._study.optimize(objective, callbacks=[limit], catch=(SpikeLoomError,))
        text = json.dumps([result.to_dict() for result in self.front()], indent=1)
        write_atomically(self.folder / FRONT_FILE, f"{text}\n".encode())

    def results(self) -> list[TrialResult]:
        """Return the finished trials of all processes, by number."""
        states = (self._optuna.trial.TrialState.COMPLETE,)
        return [_result(trial) for trial in self._study.get_trials(states=states)]

    def front(self) -> list[TrialResult]:
        """Return the trials that no other beats in every objective, the most accurate first."""
        found = [_result(trial) for trial in self._study.best_trials]
        return sorted(found, key=lambda result: (-result.accuracy, result.number))


def _result(trial: Any) -> TrialResult:
    facts = dict(trial.user_attrs["result"])
    return TrialResult(**{**facts, "cost": Cost(**facts["cost"])})
