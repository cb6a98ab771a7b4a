"""What driver and golden model say alike of the inputs of a run."""

import pytest

from spikeloom.spec.checks import check_same_sizes, inputs_by_name
from spikeloom.spec.errors import DataError


def test_one_input_may_come_without_its_name():
    assert inputs_by_name([1], ("a",)) == {"a": [1]}
    assert inputs_by_name({"b": 2, "a": 1}, ("a", "b")) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("given", "names", "message"),
    [
        ([1], ("a", "b"), "must be a mapping from the names a, b to arrays, not one list"),
        ({"a": 1}, ("a", "b"), "must be given for the populations a, b, not for a"),
        ({"a": 1, "c": 2}, ("a",), "must be given for the populations a, not for a, c"),
        ({}, ("a",), "must be given for the populations a, not for none"),
    ],
)
def test_missing_and_unknown_inputs_are_refused(given, names, message):
    with pytest.raises(DataError, match=f"^input {message}$"):
        inputs_by_name(given, names)


def test_inputs_of_other_sizes_are_refused():
    check_same_sizes({})
    check_same_sizes({"a": (2, 3), "b": (2, 3)})
    with pytest.raises(DataError, match=r"samples and ticks, not \{'a': \(2, 3\), 'b': \(2, 4\)\}"):
        check_same_sizes({"a": (2, 3), "b": (2, 4)})
