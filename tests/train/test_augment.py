"""Shifts and distortions of images."""

import numpy as np
import pytest
import torch

from spikeloom.train.augment import augment, distort_images, shift_images, smooth_basis
from spikeloom.train.config import TrainConfig

pytestmark = pytest.mark.torch

SHAPE = (9, 7)


def images(seed=0, n=5):
    return np.random.default_rng(seed).integers(0, 256, (n, 63)).astype(np.uint8)


def test_images_are_shifted_and_filled_with_zero():
    image = np.arange(1, 7, dtype=np.uint8).reshape(1, 6)
    shifts = np.array([[0, 0], [1, 0], [0, -1], [-1, 2]])
    got = shift_images(np.repeat(image, 4, 0), (2, 3), shifts)
    assert got.tolist() == [
        [1, 2, 3, 4, 5, 6],
        [0, 0, 0, 1, 2, 3],
        [2, 3, 0, 5, 6, 0],
        [0, 0, 4, 0, 0, 0],
    ]


def test_no_distortion_leaves_every_pixel():
    got = distort_images(images(), SHAPE, np.random.default_rng(1))
    assert np.array_equal(got, images())
    assert got.dtype == np.uint8


def test_half_a_turn_turns_the_image_around():
    class Greatest:
        """A generator that draws the greatest value."""

        def uniform(self, low, high, shape):
            return np.full(shape, high)

    got = distort_images(images(), SHAPE, Greatest(), rotate=180.0)
    assert np.array_equal(got, images()[:, ::-1])


def test_distortion_repeats_with_the_generator_and_differs_between_images():
    same = np.repeat(images(n=1), 3, 0)
    first, again, other = (
        distort_images(same, SHAPE, np.random.default_rng(seed), 10, 0.1, 1.0) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])


def test_elastic_displacement_has_the_deviation_asked_for():
    rng = np.random.default_rng(3)
    knots = rng.standard_normal((4000, 7, 7))
    field = smooth_basis(28) @ knots @ smooth_basis(28).T
    assert np.abs(field.std(0) - 1).max() < 0.05


def test_nothing_is_drawn_for_what_is_not_wanted():
    rng = np.random.default_rng(4)
    before = rng.bit_generator.state
    assert augment(images(), SHAPE, TrainConfig(), rng) is not None
    assert rng.bit_generator.state == before
    augment(images(), SHAPE, TrainConfig(augment_elastic=0.5), rng)
    assert rng.bit_generator.state != before


def test_thread_count_does_not_change_distortions():
    threads = torch.get_num_threads()
    got = []
    for n in (1, 2):
        torch.set_num_threads(n)
        got.append(distort_images(images(n=40), SHAPE, np.random.default_rng(5), 10, 0.1, 1.0))
    torch.set_num_threads(threads)
    assert np.array_equal(*got)


def test_channels_of_an_image_change_alike():
    config = TrainConfig(augment_shift=2, augment_rotate=20.0)
    rng = np.random.default_rng(3)
    grey = rng.integers(0, 256, (5, 1, 64), np.uint8)
    colours = np.repeat(grey, 3, 1).reshape(5, -1)
    got = augment(colours, (3, 8, 8), config, np.random.default_rng(4)).reshape(5, 3, 64)
    alone = augment(grey.reshape(5, -1), (8, 8), config, np.random.default_rng(4))
    assert not np.array_equal(alone, grey.reshape(5, -1))
    for channel in range(3):
        assert np.array_equal(got[:, channel], alone)
