"""Augmentation of grey images: shifts, and smooth distortions.

Everything is drawn from the generator of the epoch, so that a run repeats to the bit.
Images stay integers: a distorted pixel is interpolated between its neighbours and rounded.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

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
        uint8 (N, height * width).
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
    pixels = torch.from_numpy(images.reshape(n, 1, height, width).astype(np.float32))
    moved = torch.nn.functional.grid_sample(pixels, grid, align_corners=True)
    return moved.round_().reshape(n, -1).to(torch.uint8).numpy()


def augment(
    images: NDArray[np.uint8],
    shape: tuple[int, int],
    config: TrainConfig,
    generator: np.random.Generator,
) -> NDArray[np.uint8]:
    """Return the images as the configuration's ``augment_*`` fields change them."""
    if config.augment_rotate or config.augment_scale or config.augment_elastic:
        images = distort_images(
            images, shape, generator, config.augment_rotate, config.augment_scale,
            config.augment_elastic,
        )  # fmt: skip
    if config.augment_shift:
        limit = config.augment_shift
        shifts = generator.integers(-limit, limit + 1, (len(images), 2))
        images = shift_images(images, shape, shifts)
    return images
