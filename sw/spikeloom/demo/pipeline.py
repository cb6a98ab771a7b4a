"""The stages of the demo and its summary."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..artefact import Artefact, check_target, write_artefact
from ..compile import capacity_report, compile_network
from ..files import write_atomically
from ..report import table, to_json
from ..spec.config import PRESETS, BuildConfig, preset
from ..spec.errors import UsageError
from ..spec.network import Network

if TYPE_CHECKING:
    from ..board.result import RunResult
    from ..train.config import TrainConfig
    from ..train.run import TrainResult

T = TypeVar("T")

PREFERRED = ("small", "medium", "pynq-z2")
"""Builds to try, smallest first: a small one compiles in seconds."""

STAGES = 7


@dataclass
class _Stages:
    """Runs named stages, prints them and keeps their time."""

    quiet: bool
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, name: str, what: str, function: Callable[[], T]) -> T:
        """Run one stage."""
        number = len(self.seconds) + 1
        if not self.quiet:
            print(f"[{number}/{STAGES}] {what}", flush=True)
        start = time.perf_counter()
        result = function()
        self.seconds[name] = round(time.perf_counter() - start, 3)
        if not self.quiet:
            print(f"      {self.seconds[name]:.1f} s", flush=True)
        return result


def choose_build(network: Network, name: str | None) -> BuildConfig:
    """Return the preset ``name``, or the smallest preferred one that holds ``network``."""
    if name is not None:
        return preset(name)
    for candidate in PREFERRED:
        if capacity_report(network, PRESETS[candidate]).fits:
            return PRESETS[candidate]
    return PRESETS[PREFERRED[-1]]


def run_demo(
    config: TrainConfig,
    out: Path,
    *,
    preset_name: str | None = None,
    engine: str = "cxxrtl",
    samples: int | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Run every stage and return the summary that ``out/summary.json`` holds.

    Raises :class:`UsageError` for an engine that is no RTL simulation; any other error of
    a stage is let through.
    """
    if engine not in ("pysim", "cxxrtl", "verilator"):
        raise UsageError(f"--engine of the demo must be pysim, cxxrtl or verilator, not {engine!r}")
    if samples is not None and samples < 1:
        raise UsageError(f"--samples must be at least 1, not {samples}")
    if preset_name is not None:
        preset(preset_name)
    from spikeloom_sim.run import run_artefact, verify_artefact

    from ..train.run import train
    from .pictures import draw_curve, draw_raster

    check_target(out / "artefact", replace=True)
    out.mkdir(parents=True, exist_ok=True)
    stages = _Stages(quiet)
    trained = stages.run(
        "train",
        f"encode {config.dataset} ({config.encoder}, {config.ticks} ticks) and train",
        lambda: train(config, out / "training", progress=not quiet),
    )
    inputs, labels = trained.test_inputs, trained.test_labels
    chosen = slice(0, samples)
    artefact = stages.run(
        "compile", "export and compile", lambda: _compile(trained, out, preset_name)
    )
    golden = stages.run(
        "golden",
        f"golden model, {len(inputs)} test samples",
        lambda: run_artefact(artefact, "golden", inputs),
    )
    torch_differs = stages.run(
        "compare",
        "compare PyTorch's integers with the golden model, every spike and potential",
        lambda: _differences(trained, golden, inputs),
    )
    verified = stages.run(
        "rtl",
        f"generate the hardware ({artefact.build.config.name}) and compare it in {engine}, "
        "every spike and potential",
        lambda: verify_artefact(artefact, engine, inputs[chosen]),
    )
    rtl = stages.run(
        "rtl_speed",
        f"the same without probes in {engine}, for its counters",
        lambda: run_artefact(artefact, engine, inputs[chosen]),
    )
    driver = stages.run(
        "driver",
        "the same artefact through the board driver on a simulated PYNQ board",
        lambda: run_artefact(artefact, "pynq-sim", inputs[chosen]),
    )
    summary = _summary(config, trained, artefact, engine, golden, rtl, driver, labels)
    summary["rtl"]["mismatches"] = verified.mismatches + _unequal(golden, rtl)
    summary["rtl"]["values_compared"] = verified.compared
    summary["torch_mismatches"] = torch_differs
    summary["driver"] = {"samples": len(driver.spikes), "mismatches": _unequal(golden, driver)}
    summary["equal"] = not (
        summary["rtl"]["mismatches"] or torch_differs or summary["driver"]["mismatches"]
    )
    summary["seconds"] = stages.seconds
    shown = {
        name: trace.spikes[0]
        for name, trace in golden.populations.items()
        if trace.spikes is not None
    }
    draw_raster(out / "raster.png", inputs[0], shown, int(labels[0]))
    draw_curve(out / "training.png", trained.history)
    write_atomically(out / "summary.json", to_json(summary).encode())
    if not quiet:
        print("\n" + _report(summary, out))
    return summary


def _compile(trained: TrainResult, out: Path, preset_name: str | None) -> Artefact:
    build = choose_build(trained.network, preset_name)
    compiled = compile_network(trained.network, build)
    return write_artefact(
        out / "artefact",
        trained.network,
        trained.input_facts,
        provenance=trained.provenance,
        build=compiled.build,
        images=compiled.images,
        replace=True,
    )


def _differences(trained: TrainResult, golden: RunResult, inputs: NDArray[np.uint8]) -> int:
    """Return in how many values PyTorch's quantised network differs from the golden model."""
    parts: dict[str, dict[str, Any]] = {
        "spikes": trained.quantised_spikes(inputs),
        "potentials": trained.quantised_potentials(inputs),
        "final": trained.quantised_final(inputs),
    }
    return sum(
        int(np.count_nonzero(array != getattr(golden.populations[name], quantity)))
        for quantity, arrays in parts.items()
        for name, array in arrays.items()
    )


def _unequal(golden: RunResult, other: RunResult) -> int:
    """Return in how many output spikes, potentials and operation counts two runs differ."""
    n = len(other.spikes)
    return sum(
        int(np.count_nonzero(getattr(golden, name)[:n] != getattr(other, name)))
        for name in ("spikes", "potential", "sops")
    )


def _accuracy(result: RunResult, labels: NDArray[np.generic]) -> float:
    return float((result.prediction == labels[: len(result.prediction)]).mean())


def _summary(
    config: TrainConfig,
    trained: TrainResult,
    artefact: Artefact,
    engine: str,
    golden: RunResult,
    rtl: RunResult,
    driver: RunResult,
    labels: NDArray[np.generic],
) -> dict[str, Any]:
    network = trained.network
    sizes = [network.inputs[0].n_neurons, *(p.n_neurons for p in network.order())]
    cycles, sops = int(rtl.cycles.sum()), int(rtl.sops.sum())
    return {
        "dataset": config.dataset,
        "network": "-".join(map(str, sizes)),
        "ticks": config.ticks,
        "weight_bits": config.weight_bits,
        "seed": config.seed,
        "build": {"preset": artefact.build.config.name, "id": artefact.build.id},
        "accuracy": {
            "float": trained.accuracy_float,
            "quantised": trained.accuracy_quantised,
            "golden": _accuracy(golden, labels),
            "rtl": _accuracy(rtl, labels),
            "driver": _accuracy(driver, labels),
        },
        "rtl": {
            "engine": engine,
            "samples": len(rtl.spikes),
            "cycles_per_sample": cycles / len(rtl.spikes),
            "sops_per_sample": sops / len(rtl.spikes),
            "sops_per_cycle": sops / cycles,
        },
    }


def _report(summary: dict[str, Any], out: Path) -> str:
    """Return the closing table and where everything is."""
    accuracy, rtl, driver = summary["accuracy"], summary["rtl"], summary["driver"]
    mismatches = {
        "quantised": summary["torch_mismatches"],
        "rtl": rtl["mismatches"],
        "driver": driver["mismatches"],
    }
    names = {
        "float": "PyTorch, float",
        "quantised": "PyTorch, integers",
        "golden": "golden model",
        "rtl": f"RTL ({rtl['engine']}, {rtl['samples']} samples)",
        "driver": f"driver (pynq-sim, {driver['samples']} samples)",
    }
    rows = [
        (text, f"{100 * accuracy[name]:.2f} %", str(mismatches.get(name, "")))
        for name, text in names.items()
    ]
    lines = [
        f"{summary['dataset']}, {summary['network']}, {summary['ticks']} ticks, "
        f"{summary['weight_bits']}-bit weights, build {summary['build']['preset']}",
        "",
        table(rows, ("what", "accuracy", "mismatches with golden")),
        "",
        f"{rtl['values_compared']} spikes and potentials of the hardware compared",
        f"{rtl['cycles_per_sample']:.1f} cycles and {rtl['sops_per_sample']:.1f} synaptic "
        f"operations per sample: {rtl['sops_per_cycle']:.2f} SOP per cycle",
        "",
        f"summary {out / 'summary.json'}   raster {out / 'raster.png'}   "
        f"training curve {out / 'training.png'}",
        f"artefact {out / 'artefact'}   (spikeloom inspect {out / 'artefact'})",
    ]
    return "\n".join(lines)
