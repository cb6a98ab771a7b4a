"""A few hundred damaged files of every format."""

import numpy as np
import pytest

from events import fuzz

ROUNDS = 1500


@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_files_give_events_or_a_data_error(tmp_path, seed):
    print("seed", seed)
    files = fuzz.synthetic(np.random.default_rng(seed))
    outcome = fuzz.rounds(files, seed, tmp_path, lambda count: count >= ROUNDS)
    assert {what for _, what in outcome} == {"events", "error", "warning"}
    assert {name for name, _ in outcome} == set(files)


def test_damaged_recordings_give_events_or_a_data_error(tmp_path, recordings):
    print("seed", 3)
    names = ["ncars_sample.dat", "nmnist_sample.bin", "prophesee_gen41_evt3.raw"]
    files = {n: fuzz.shortened(n, (recordings / n).read_bytes()) for n in names}
    outcome = fuzz.rounds(files, 3, tmp_path, lambda count: count >= 300)
    assert {name for name, _ in outcome} == set(files)
