"""What to train and how: the validated configuration of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from ..spec.errors import DataError, UsageError
from ..spec.network import Reset, ResetOrder
from ..spec.numfmt import WEIGHT_BITS
from .architecture import NETWORK_NAMES, NETWORKS, check_layers, needs_images
from .choices import (
    DATASETS,
    LOSS_NAMES,
    MAXIMA,
    NEURON_NAMES,
    OWN_ENCODERS,
    PRECISION_NAMES,
    RANGES,
    REFUSED_NEURONS,
    SPEAKER_DATASETS,
    SURROGATE_NAMES,
)
from .encoders import check_encoder
from .fields import check_choice as _choice
from .fields import check_encoder_parameters
from .fields import check_number as _number
from .plan import NORM_NAMES


@dataclass(frozen=True)
class TrainConfig:
    """A training run; the defaults are those of ``digits`` (see :func:`.defaults.default_config`).

    Parameters
    ----------
    dataset
        One of :data:`.choices.DATASETS`.
    data_dir
        Folder of the files; not needed for ``digits``.
    holdout_speaker
        Speaker of ``fsdd`` who is left out of training and is the whole test set
        (:func:`spikeloom.datasets.sounds.hold_out`).
    network
        ``fc``, dense layers of ``hidden`` neurons; or a ready one of
        :data:`spikeloom.train.architecture.NETWORKS`.
    layers
        The layers of another network (:mod:`spikeloom.train.architecture`), in place of
        ``network`` and ``hidden``.
    hidden
        Neurons of each hidden population of ``fc``.
    delays
        Greatest delay to be learnt in every dense projection but feedback, 0 to 63 ticks
        (:mod:`spikeloom.train.delays`); 0 for none.
    delay_values
        Values from 0 to the greatest that a learnt delay can take, 2 to 64.
    norm
        ``none``, ``bn``, ``tdbn`` or ``tebn`` (:mod:`spikeloom.train.norms`), behind the
        projections of hidden populations.
    ticks
        Ticks of a sample, 1 to 1024.
    encoder, encoder_parameters
        Kind and parameters of the encoder (:data:`spikeloom.train.encoders.ENCODERS`).
    input_gate
        Whether to learn which input may send in which tick; with ``sop_penalty``.
    weight_bits
        8, 4 or 2.
    neuron
        ``lif``; ``plif``, which learns the decay of each population from ``decay`` on;
        ``if``, whose decay is 1; ``cuba``, with a synaptic current; or ``multi_spike``, which
        fires as often in a tick as its potential holds thresholds.
    readout_decay
        That of an output that is read as a potential (``loss`` membrane); None for ``decay``.
    decay, current_decay
        0 to 1, share of the potential and, for ``cuba``, of the synaptic current kept from
        tick to tick.
    bias
        Whether each population learns a bias.
    per_channel
        Whether thresholds, and with them the steps of weights, and biases are those of a
        channel and not of the population.
    learn_threshold
        Whether thresholds are learnt.
    refractory
        0 to 15 ticks.
    reset, reset_order, reset_value, initial, floor
        The neurons; potentials in thresholds (:class:`spikeloom.train.model.NeuronConfig`).
    surrogate, surrogate_width
        Surrogate gradient and its width in thresholds, 0 for the shape's own default.
    detach_reset
        True to leave the reset out of the gradient.
    epochs_float, epochs_qat
        Epochs on real numbers, then on integers.
    batch_size, lr, lr_qat, weight_decay
        AdamW; either stage lowers its learning rate to 0 along half a cosine.
    dropout
        Of hidden neurons, in the float stage.
    augment_shift
        Training images are shifted by up to so many pixels in each direction, sounds by up to
        so many ticks.
    augment_rotate, augment_scale, augment_elastic
        Greatest angle in degrees, greatest stretch as a share, and standard deviation of the
        elastic displacement in pixels (:func:`spikeloom.train.augment.distort_images`).
    augment_drop, augment_time, augment_noise
        Of events and sounds: greatest share of events left out; greatest change of the speed
        of a sound, as a share; greatest noise, as a share of the sound.
    loss
        ``rate``, ``tet``, ``membrane`` (the output never fires and is read as a potential)
        or ``latency`` (:mod:`spikeloom.train.losses`).
    label_smoothing, logit_scale
        Of the cross-entropy; a logit is a spike count, a potential in thresholds or a
        negated first-spike tick times ``logit_scale``.
    tet_share
        Weight of the regulariser in ``tet`` (lambda).
    rate_penalty, rate_low, rate_high
        Weight of the firing-rate penalty, and the range of rates, in spikes per tick, that
        costs nothing.
    sop_penalty, sop_target
        Weight of the penalty on synaptic operations, and the number per sample up to which
        they cost nothing.
    calibration_samples
        Training samples on which the steps are searched if ``epochs_qat`` is 0.
    start
        Folder of another run whose float stage this one starts from, in place of random
        weights; needs ``epochs_float`` 0.
    validation
        Training samples that are held out, of every class its share, to judge epochs by.
    patience
        Epochs without a better accuracy on the held-out samples after which a stage ends, 0
        for never; the stage then keeps the weights of its best epoch.
    precision
        ``float32``, or ``bfloat16`` for the products of the float stage (:mod:`.precision`).
    shards
        Parts of each batch whose gradients are formed apart and then summed; as many processes
        or a divisor of it may share them, with the same result (:mod:`.team`).
    seed
        Seed of weights, data order, augmentation and dropout.
    threads
        Threads of PyTorch; 1 is fastest for networks of this size unless both cores are idle.

    Raises
    ------
    UsageError
        Naming the field that is wrong, what was found and what was expected.
    """

    dataset: str = "digits"
    data_dir: str | None = None
    holdout_speaker: str | None = None
    network: str = "fc"
    layers: str | None = None
    hidden: tuple[int, ...] = (64,)
    delays: int = 0
    delay_values: int = 4
    norm: str = "none"
    ticks: int = 12
    encoder: str = "rate"
    encoder_parameters: Mapping[str, Any] = field(default_factory=dict)
    input_gate: bool = False
    weight_bits: int = 8
    neuron: str = "lif"
    decay: float = 0.9
    current_decay: float = 0.5
    readout_decay: float | None = None
    bias: bool = False
    per_channel: bool = False
    learn_threshold: bool = False
    refractory: int = 0
    reset: Reset = Reset.SUBTRACT
    reset_order: ResetOrder = ResetOrder.BEFORE_DECAY
    reset_value: float = 0.0
    initial: float = 0.0
    floor: float | None = None
    surrogate: str = "arctan"
    surrogate_width: float = 0.0
    detach_reset: bool = True
    epochs_float: int = 36
    epochs_qat: int = 12
    batch_size: int = 64
    lr: float = 5e-3
    lr_qat: float = 1e-3
    weight_decay: float = 1e-2
    dropout: float = 0.0
    augment_shift: int = 0
    augment_rotate: float = 0.0
    augment_scale: float = 0.0
    augment_elastic: float = 0.0
    augment_drop: float = 0.0
    augment_time: float = 0.0
    augment_noise: float = 0.0
    loss: str = "rate"
    label_smoothing: float = 0.0
    logit_scale: float = 1.0
    tet_share: float = 0.05
    rate_penalty: float = 0.0
    rate_low: float = 0.02
    rate_high: float = 0.5
    sop_penalty: float = 0.0
    sop_target: int = 100000
    calibration_samples: int = 1000
    start: str | None = None
    validation: int = 0
    patience: int = 0
    precision: str = "float32"
    shards: int = 1
    seed: int = 1
    threads: int = 1

    def __post_init__(self) -> None:
        put = object.__setattr__
        _choice("dataset", self.dataset, DATASETS)
        _choice("surrogate", self.surrogate, SURROGATE_NAMES)
        _choice("loss", self.loss, LOSS_NAMES)
        _choice("precision", self.precision, PRECISION_NAMES)
        _choice("network", self.network, NETWORK_NAMES)
        _choice("norm", self.norm, NORM_NAMES)
        _neuron(self.neuron)
        if self.layers is not None:
            check_layers(self.layers)
        _choice("weight_bits", self.weight_bits, WEIGHT_BITS)
        if self.holdout_speaker is not None and not isinstance(self.holdout_speaker, str):
            raise UsageError(f"holdout_speaker must be a name, not {self.holdout_speaker!r}")
        for name in ("data_dir", "start"):
            value = getattr(self, name)
            put(self, name, None if value is None else str(value))
        put(self, "reset", _enum("reset", self.reset, Reset))
        put(self, "reset_order", _enum("reset_order", self.reset_order, ResetOrder))
        for name, (low, high, kind) in RANGES.items():
            put(self, name, _number(name, getattr(self, name), low, high, kind))
        if self.readout_decay is not None:
            put(
                self, "readout_decay", _number("readout_decay", self.readout_decay, 0.0, 1.0, float)
            )
        if self.floor is not None:
            put(self, "floor", _number("floor", self.floor, -1e4, 0.0, float))
        put(self, "hidden", _sizes(self.hidden))
        for name in ("detach_reset", "bias", "input_gate", "per_channel", "learn_threshold"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} must be true or false, not {getattr(self, name)!r}")
        self._check_together()
        put(self, "encoder_parameters", dict(self.encoder_parameters))

    def _check_together(self) -> None:
        if self.reset is Reset.NONE:
            raise UsageError(
                "reset must be subtract, zero or value, not none: hidden neurons must fire; an "
                "output that is read as a potential comes with loss membrane"
            )
        if self.input_gate and self.dataset in OWN_ENCODERS:
            raise UsageError(
                f"input_gate must be false with dataset {self.dataset}, not true: its encoder "
                f"{OWN_ENCODERS[self.dataset][0]} keeps no mask"
            )
        if self.holdout_speaker is not None and self.dataset not in SPEAKER_DATASETS:
            raise UsageError(
                f"holdout_speaker must be absent with dataset {self.dataset}, not "
                f"{self.holdout_speaker!r}: only {', '.join(SPEAKER_DATASETS)} has speakers"
            )
        if self.readout_decay is not None and self.loss != "membrane":
            raise UsageError(
                f"readout_decay must be absent with loss {self.loss}, not {self.readout_decay:g}: "
                "its output fires"
            )
        if self.neuron == "if" and self.decay != 1:
            raise UsageError(f"decay must be 1 with neuron if, not {self.decay:g}")
        if self.neuron == "plif" and not 0 < self.decay < 1:
            raise UsageError(
                f"decay must be above 0 and below 1 with neuron plif, not {self.decay:g}"
            )
        if self.patience and not self.validation:
            raise UsageError("validation must be at least 1 with patience, not 0")
        if self.shards > self.batch_size:
            raise UsageError(
                f"shards must be at most batch_size, {self.batch_size}, not {self.shards}"
            )
        if self.rate_low > self.rate_high:
            raise UsageError(
                f"rate_low must be at most rate_high, {self.rate_high:g}, not {self.rate_low:g}"
            )
        if self.reset_value and self.reset is not Reset.VALUE:
            raise UsageError(
                f"reset_value must be 0 unless reset is value, not {self.reset_value} with "
                f"reset {self.reset.value}"
            )
        if self.start is not None and self.epochs_float:
            raise UsageError(
                f"epochs_float must be 0 with start, not {self.epochs_float}: the float stage is "
                "that of the other run"
            )
        if self.epochs_float + self.epochs_qat == 0 and self.start is None:
            raise UsageError("epochs_float + epochs_qat must be at least 1 without start, not 0")
        check_encoder_parameters(self.encoder_parameters)
        self.encoder_facts()

    def encoder_facts(self) -> dict[str, Any]:
        """Return the encoder as the artefact keeps it, every parameter filled in."""
        facts: dict[str, Any] = {"kind": self.encoder, **self.encoder_parameters}
        try:
            if self.dataset in OWN_ENCODERS:
                return OWN_ENCODERS[self.dataset][1](facts)
            return check_encoder({"maximum": MAXIMA[self.dataset], **facts})
        except DataError as error:
            raise UsageError(str(error)) from None

    def layer_text(self) -> str:
        """Return the layers of the network, in the words of :mod:`.architecture`."""
        if self.layers is not None:
            return self.layers
        if self.network in NETWORKS:
            return NETWORKS[self.network]
        return "-".join(map(str, self.hidden))

    def needs_images(self) -> bool:
        """Whether the input population must be (height, width, channels)."""
        return needs_images(self.layer_text())

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        out = asdict(self)
        for name, value in out.items():
            out[name] = value.value if isinstance(value, Enum) else value
        out["hidden"] = list(self.hidden)
        return out


def _neuron(value: object) -> None:
    if value in REFUSED_NEURONS:
        raise UsageError(
            f"neuron must be one of {', '.join(NEURON_NAMES)}, not {value}, which the accelerator "
            f"cannot run: {REFUSED_NEURONS[str(value)]}"
        )
    _choice("neuron", value, NEURON_NAMES)


def _enum(name: str, value: object, enum: type[Enum]) -> Any:
    try:
        return enum(value)
    except ValueError:
        known = ", ".join(member.value for member in enum)
        raise UsageError(f"{name} must be one of {known}, not {value!r}") from None


def _sizes(value: Any) -> tuple[int, ...]:
    if isinstance(value, (str, int)) or not all(
        isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= 65536 for n in value
    ):
        raise UsageError(f"hidden must be integers from 1 to 65536, not {value!r}")
    return tuple(value)
