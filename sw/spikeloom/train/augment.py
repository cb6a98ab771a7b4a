"""Augmentation: shifts and smooth distortions of images, and those of events and sounds.

Everything is drawn from the generator of the epoch, so that a run repeats to the bit.
Images stay integers: a distorted pixel is interpolated between its neighbours and rounded.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from ..events import Events
from .config import TrainConfig

KNOTS = 7
"""Random displacements in each direction, from which those of all pixels are interpolated."""


def shift_images(
    images: NDArray[np.uint8], shape: tuple[int, int], shifts: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Move each image of (N, height * width) by its (rows, columns), filling with 0."""
    height, width = shape
    border = int(np.abs(shifts).max(initial=0))
    padded = np.pad(images.reshape(-1, height, width), ((0, 0), (border,) * 2, (border,) * 2))
    row = padded.shape[2]
    pixel = (np.arange(height)[:, None] * row + np.arange(width)).reshape(-1)
    start = (border - shifts[:, 0]) * row + (border - shifts[:, 1])
    start += np.arange(len(images)) * (padded.shape[1] * row)
    return padded.reshape(-1).take(start[:, None] + pixel)


def smooth_basis(size: int) -> NDArray[np.float32]:
    """Return Gaussian bumps around :data:`KNOTS` knots, float32 (size, KNOTS).

    The squares of a row sum to 1, so that independent unit normals at the knots give a unit
    normal at every pixel.
    """
    knots = np.linspace(0, size - 1, KNOTS)
    width = (size - 1) / (KNOTS - 1)
    bumps = np.exp(-0.5 * ((np.arange(size)[:, None] - knots) / width) ** 2)
    return (bumps / np.linalg.norm(bumps, axis=1, keepdims=True)).astype(np.float32)


def distort_images(
    images: NDArray[np.uint8],
    shape: tuple[int, int],
    generator: np.random.Generator,
    rotate: float = 0.0,
    scale: float = 0.0,
    elastic: float = 0.0,
) -> NDArray[np.uint8]:
    """Rotate, stretch and bend images, filling with 0.

    Elastic distortion is that of Simard, Steinkraus and Platt 2003, "Best practices for
    convolutional neural networks", with a smooth field from few random displacements.

    Parameters
    ----------
    images
        uint8 (N, height * width), or (N, channels * height * width).
    shape
        (height, width).
    generator
        Draws, for each image, everything.
    rotate
        Greatest angle in degrees, either way.
    scale
        Greatest stretch of height, width and shear, as a share.
    elastic
        Standard deviation of a pixel's displacement, in pixels.
    """
    height, width = shape
    n = len(images)
    angle = torch.from_numpy(generator.uniform(-1, 1, n).astype(np.float32)) * math.radians(rotate)
    stretch = torch.from_numpy(generator.uniform(-1, 1, (n, 3)).astype(np.float32)) * scale
    cos, sin = angle.cos(), angle.sin()
    rows = torch.linspace(-1, 1, height)[None, :, None] * (height - 1) / 2
    columns = torch.linspace(-1, 1, width)[None, None, :] * (width - 1) / 2

    def of(value: torch.Tensor) -> torch.Tensor:
        return value[:, None, None]

    row = rows * of((1 + stretch[:, 0]) * cos) + columns * of(sin)
    column = columns * of((1 + stretch[:, 1]) * cos) + rows * of(stretch[:, 2] - sin)
    if elastic:
        knots = generator.standard_normal((n, 2, KNOTS, KNOTS), np.float32)
        field = smooth_basis(height) @ knots @ smooth_basis(width).T * np.float32(elastic)
        row, column = row + torch.from_numpy(field[:, 0]), column + torch.from_numpy(field[:, 1])
    grid = torch.stack([column * (2 / (width - 1)), row * (2 / (height - 1))], 3)
    pixels = torch.from_numpy(images.reshape(n, -1, height, width).astype(np.float32))
    moved = torch.nn.functional.grid_sample(pixels, grid, align_corners=True)
    return moved.round_().reshape(n, -1).to(torch.uint8).numpy()


def augment(
    images: NDArray[np.uint8],
    shape: tuple[int, ...],
    config: TrainConfig,
    generator: np.random.Generator,
) -> NDArray[np.uint8]:
    """Return the images as the configuration's ``augment_*`` fields change them.

    ``shape`` is (height, width) or (channels, height, width); the channels of an image change
    alike.
    """
    size = (shape[-2], shape[-1])
    if config.augment_rotate or config.augment_scale or config.augment_elastic:
        images = distort_images(
            images, size, generator, config.augment_rotate, config.augment_scale,
            config.augment_elastic,
        )  # fmt: skip
    if config.augment_shift:
        limit = config.augment_shift
        shifts = generator.integers(-limit, limit + 1, (len(images), 2))
        channels = images.shape[1] // (size[0] * size[1])
        moved = shift_images(
            images.reshape(-1, size[0] * size[1]), size, shifts.repeat(channels, 0)
        )
        images = moved.reshape(images.shape)
    return images


def distort_events(events: Events, config: TrainConfig, generator: np.random.Generator) -> Events:
    """Return a recording rotated, stretched, moved, and with some of its events left out.

    The fields are those of pictures; ``augment_drop`` is the greatest share of events left
    out.  What leaves the sensor is lost.
    """
    limit = config.augment_shift
    rotate, scale = math.radians(config.augment_rotate), config.augment_scale
    if not (limit or rotate or scale or config.augment_drop):
        return events
    angle, moves = generator.uniform(-rotate, rotate), generator.integers(-limit, limit + 1, 2)
    stretch = 1 + generator.uniform(-scale, scale, 2)
    share = generator.uniform(0, config.augment_drop)
    middle_x, middle_y = (events.width - 1) / 2, (events.height - 1) / 2
    dx, dy = (events.x - middle_x) * stretch[0], (events.y - middle_y) * stretch[1]
    cos, sin = math.cos(angle), math.sin(angle)
    x = np.rint(middle_x + cos * dx - sin * dy).astype(np.int64) + moves[0]
    y = np.rint(middle_y + sin * dx + cos * dy).astype(np.int64) + moves[1]
    kept = (x >= 0) & (x < events.width) & (y >= 0) & (y < events.height)
    if share:
        kept &= generator.random(len(kept)) >= share
    return Events(
        events.t[kept], x[kept].astype(np.uint16), y[kept].astype(np.uint16), events.p[kept],
        events.width, events.height, events.format,
    )  # fmt: skip


def distort_sound(
    sound: NDArray[np.int16], config: TrainConfig, generator: np.random.Generator
) -> NDArray[np.int16]:
    """Return a sound faster or slower by up to ``augment_time``, its pitch with it.

    With ``augment_noise`` it also gets white noise of up to that share of its own root mean
    square.
    """
    if not (config.augment_time or config.augment_noise):
        return sound
    out = sound.astype(np.float64)
    if config.augment_time:
        factor = 1 + generator.uniform(-config.augment_time, config.augment_time)
        places = np.arange(0, max(len(out) - 1, 1), factor)
        out = np.interp(places, np.arange(len(out)), out)
    if config.augment_noise:
        level = generator.uniform(0, config.augment_noise) * math.sqrt(np.mean(out**2) + 1e-9)
        out = out + generator.standard_normal(len(out)) * level
    return np.clip(np.rint(out), -32768, 32767).astype(np.int16)


def shift_channels(
    inputs: NDArray[np.uint8], config: TrainConfig, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Move encoded sounds (N, T, n) by up to ``augment_shift`` ticks, and leave out spikes.

    ``augment_drop`` is the greatest share of spikes left out of a sample.
    """
    if config.augment_shift:
        limit, out = config.augment_shift, np.zeros_like(inputs)
        for sample, move in enumerate(generator.integers(-limit, limit + 1, len(inputs))):
            ticks = inputs.shape[1] - abs(move)
            to, of = max(move, 0), max(-move, 0)
            out[sample, to : to + ticks] = inputs[sample, of : of + ticks]
        inputs = out
    if config.augment_drop:
        share = generator.uniform(0, config.augment_drop, len(inputs))
        inputs = inputs * (generator.random(inputs.shape) >= share[:, None, None])
    return inputs.astype(np.uint8)
