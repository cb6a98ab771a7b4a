"""Where training gets its samples from: pictures, recordings of events, sounds.

A :class:`Source` knows the labels and turns samples into events, plain or, in training,
distorted.  To add one: write the class and a line in :func:`make_source`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..datasets.events import NMNIST_SIZE
from ..datasets.gestures import SIZE as DVS128_SIZE
from ..datasets.samples import SampleSet
from ..events import Events
from ..spec.errors import DataError
from ..spec.manifest import InputFacts
from .augment import augment, distort_events, distort_sound, shift_channels
from .choices import OWN_ENCODERS
from .config import TrainConfig
from .datasets import Dataset
from .encoders import ENCODERS, encode, encode_levels, encoder_table, input_count, to_levels
from .filterbank import encode_sounds, input_shape
from .frame_encoder import encode_recordings, frame_facts
from .test_sets import load_pictures, load_samples

SENSOR_SIZES = {"nmnist": NMNIST_SIZE, "dvs128_gesture": DVS128_SIZE}
"""(height, width) of the cameras of the data sets."""

Labels = NDArray[np.uint8]
Indices = NDArray[np.int64]
Magnitudes = NDArray[np.uint8]


def to_events(inputs: Magnitudes) -> Tensor:
    """Return uint8 (samples, ticks, ...) as the float32 [T, N, n] that the network takes.

    Inputs of five dimensions are (samples, ticks, channels, height, width), and their
    channels go last.
    """
    return torch.from_numpy(
        np.ascontiguousarray(for_population(inputs).transpose(1, 0, 2), np.float32)
    )


def for_population(inputs: Magnitudes) -> Magnitudes:
    """Return inputs (samples, ticks, ...) as (samples, ticks, n) in the population's order."""
    if inputs.ndim == 5:
        inputs = np.moveaxis(inputs, 2, -1)
    return inputs.reshape(*inputs.shape[:2], -1)


class Source(ABC):
    """Labelled samples, split into training and test, and how they become events.

    Attributes
    ----------
    config
        The run's configuration.
    train_labels, test_labels
        uint8 (samples,).
    classes
        Number of classes.
    facts
        How a sample becomes an input.
    """

    config: TrainConfig
    train_labels: Labels
    test_labels: Labels
    classes: int
    facts: InputFacts

    @abstractmethod
    def test_inputs(self, facts: InputFacts) -> Magnitudes:
        """Return the encoded test set, uint8 (S, T, *facts.shape)."""

    @abstractmethod
    def train_inputs(self, chosen: Indices) -> Magnitudes:
        """Return encoded training samples as they are, uint8 (S, T, *facts.shape)."""

    @abstractmethod
    def batch(self, chosen: Indices, generator: np.random.Generator, number: int) -> Tensor:
        """Return training samples, distorted as the configuration says, float32 [T, N, n].

        ``number`` is that of the batch in the run, for encoders that draw.  Events that are
        the same in every tick are one tick's, expanded.
        """


class PictureSource(Source):
    """Grey or coloured pictures through an encoder of values."""

    def __init__(self, config: TrainConfig, dataset: Dataset) -> None:
        self.config, self.dataset = config, dataset
        self.train_labels, self.test_labels = dataset.train_labels, dataset.test_labels
        self.classes = dataset.classes
        self.encoder = config.encoder_facts()
        self.facts = self._facts()
        table = encoder_table(self.encoder, config.ticks)
        self.table = None if table is None else table.astype(np.float32)

    def _facts(self) -> InputFacts:
        config, shape = self.config, self.dataset.shape
        n_values = self.dataset.train_values.shape[1]
        n_inputs = input_count(self.encoder, n_values, config.ticks)
        if not config.needs_images():
            return InputFacts((n_inputs,), config.ticks, "flat", self.encoder)
        if n_inputs != n_values:
            raise DataError(
                f"encoder must give one input a pixel for layers of windows, not {n_inputs} for "
                f"{n_values} as {self.encoder['kind']} does"
            )
        channels_first = shape if len(shape) == 3 else (1, *shape)
        return InputFacts(channels_first, config.ticks, "channels_first", self.encoder)

    def test_inputs(self, facts: InputFacts) -> Magnitudes:
        """See :meth:`Source.test_inputs`."""
        return encode(facts, self.dataset.test_values)

    def train_inputs(self, chosen: Indices) -> Magnitudes:
        """See :meth:`Source.train_inputs`."""
        return encode(self.facts, self.dataset.train_values[chosen])

    def batch(self, chosen: Indices, generator: np.random.Generator, number: int) -> Tensor:
        """See :meth:`Source.batch`."""
        dataset, ticks = self.dataset, self.config.ticks
        values = augment(dataset.train_values[chosen], dataset.shape, self.config, generator)
        if self.facts.axes == "channels_first" and self.facts.shape[0] > 1:
            images = values.reshape(-1, *self.facts.shape)
            values = np.moveaxis(images, 1, -1).reshape(len(values), -1)
        if self.table is not None and ENCODERS[self.encoder["kind"]].constant:
            tick = torch.from_numpy(self.table[0].take(values.astype(np.intp)))
            return tick.expand(ticks, *tick.shape)
        if self.table is not None:
            out = np.empty((ticks, *values.shape), np.float32)
            index = values.astype(np.intp)
            for tick_out, row in zip(out, self.table, strict=True):
                np.take(row, index, out=tick_out, mode="clip")
            return torch.from_numpy(out)
        encoder = dict(self.encoder)
        if "seed" in encoder:
            encoder["seed"] = (encoder["seed"] + number) % 2**63
        levels = to_levels(values, encoder["maximum"])
        return to_events(encode_levels(encoder, levels, ticks))


class _SampleSource(Source):
    """Samples of different lengths, kept in memory as far as the data set's slices are."""

    def __init__(self, config: TrainConfig, samples: SampleSet[Any]) -> None:
        self.config = config
        self.train: Sequence[Any] = samples.train[:]
        self.test: Sequence[Any] = samples.test[:]
        self.train_labels, self.test_labels = samples.train.labels, samples.test.labels
        self.classes = samples.classes
        self._encoded: dict[int, Magnitudes] = {}

    @abstractmethod
    def encode(self, facts: InputFacts, samples: Sequence[Any]) -> Magnitudes:
        """Return encoded samples, uint8 (S, T, *facts.shape)."""

    def test_inputs(self, facts: InputFacts) -> Magnitudes:
        """See :meth:`Source.test_inputs`."""
        return self.encode(facts, self.test)

    def train_inputs(self, chosen: Indices) -> Magnitudes:
        """See :meth:`Source.train_inputs`; what was encoded once is kept."""
        new = [i for i in map(int, chosen) if i not in self._encoded]
        for index, inputs in zip(
            new, self.encode(self.facts, [self.train[i] for i in new]), strict=True
        ):
            self._encoded[index] = inputs
        return np.stack([self._encoded[i] for i in map(int, chosen)])

    def batch(self, chosen: Indices, generator: np.random.Generator, number: int) -> Tensor:
        """See :meth:`Source.batch`."""
        samples = [self.distort(self.train[i], generator) for i in chosen]
        same = all(a is self.train[i] for a, i in zip(samples, chosen, strict=True))
        inputs = self.train_inputs(chosen) if same else self.encode(self.facts, samples)
        return to_events(self.distort_inputs(inputs, generator))

    @abstractmethod
    def distort(self, sample: Any, generator: np.random.Generator) -> Any:
        """Return a sample as it is distorted in training; itself if it is not."""

    def distort_inputs(self, inputs: Magnitudes, generator: np.random.Generator) -> Magnitudes:
        """Return encoded samples as they are distorted in training."""
        return inputs


class EventSource(_SampleSource):
    """Recordings of an event camera, counted into frames."""

    def __init__(self, config: TrainConfig, samples: SampleSet[Any], size: tuple[int, int]) -> None:
        super().__init__(config, samples)
        self.facts = frame_facts(config.encoder_facts(), size, config.ticks)

    def encode(self, facts: InputFacts, samples: Sequence[Events]) -> Magnitudes:
        """See :meth:`_SampleSource.encode`."""
        return encode_recordings(facts, samples)

    def distort(self, sample: Events, generator: np.random.Generator) -> Events:
        """See :meth:`_SampleSource.distort`."""
        return distort_events(sample, self.config, generator)


class SoundSource(_SampleSource):
    """Sounds through a filter bank."""

    def __init__(self, config: TrainConfig, samples: SampleSet[Any]) -> None:
        super().__init__(config, samples)
        encoder = config.encoder_facts()
        self.facts = InputFacts(input_shape(encoder), config.ticks, "flat", encoder)

    def encode(self, facts: InputFacts, samples: Sequence[NDArray[np.int16]]) -> Magnitudes:
        """See :meth:`_SampleSource.encode`."""
        return encode_sounds(facts, samples)

    def distort(
        self, sample: NDArray[np.int16], generator: np.random.Generator
    ) -> NDArray[np.int16]:
        """See :meth:`_SampleSource.distort`."""
        return distort_sound(sample, self.config, generator)

    def distort_inputs(self, inputs: Magnitudes, generator: np.random.Generator) -> Magnitudes:
        """See :meth:`_SampleSource.distort_inputs`."""
        return shift_channels(inputs, self.config, generator)


def make_source(config: TrainConfig) -> Source:
    """Return the samples that a configuration names, read from its ``data_dir``."""
    if config.dataset not in OWN_ENCODERS:
        return PictureSource(config, load_pictures(config.dataset, config.data_dir))
    samples = load_samples(config.dataset, config.data_dir, config.holdout_speaker)
    if config.dataset in SENSOR_SIZES:
        return EventSource(config, samples, SENSOR_SIZES[config.dataset])
    return SoundSource(config, samples)
