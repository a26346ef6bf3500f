import inspect

import pytest

from vla import errors
from vla.errors import StorageError, UnknownNameError, VLAError, describe_unknown, unknown_name

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, VLAError)]


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls is not VLAError])
def test_every_error_is_also_a_builtin_one(cls: type[VLAError]) -> None:
    assert issubclass(cls, RuntimeError if cls is StorageError else ValueError)


def test_unknown_name_says_what_came_what_is_near_and_what_to_do() -> None:
    error = unknown_name("task", "pikc_up", ["reach", "push", "pick_up"], "vla eval runs all")
    assert isinstance(error, UnknownNameError)
    assert str(error) == (
        "unknown task 'pikc_up'; did you mean 'pick_up'? Valid: pick_up, push, reach. vla eval runs all"
    )


def test_nearest_name_ignores_case() -> None:
    assert "did you mean 'Panda'?" in describe_unknown("robot", "PANDA", ["Panda", "Kuka"])


def test_nothing_near_still_lists_what_is_valid() -> None:
    assert (
        describe_unknown("task", "juggle", ["push", "reach"]) == "unknown task 'juggle'. Valid: push, reach"
    )


def test_no_valid_name_is_said() -> None:
    assert describe_unknown("run", "a", []) == "unknown run 'a'. None exists"


def test_long_lists_are_cut() -> None:
    message = describe_unknown("key", "zz", [f"name_{index:03d}" for index in range(50)])
    assert message.endswith("name_019 and 30 more")


def test_message_is_one_line() -> None:
    assert "\n" not in str(unknown_name("task", "two\nlines", ["reach"]))
