"""The errors that users meet. Each says what came, what is allowed and what to do next.

Every class is also a ValueError or a RuntimeError, so callers may catch either; the command line turns each
into one line on stderr and exit code 2.
"""

import difflib
from collections.abc import Iterable

LISTED_NAMES = 20  # More names than this make a message unreadable; the nearest one is still given.


class VLAError(Exception):
    """Base of every error that is caused by what the caller gave, not by a fault of this package."""


class ConfigError(VLAError, ValueError):
    """A configuration file or an override is missing, malformed or names an unknown key."""


class UnknownNameError(VLAError, ValueError):
    """A task, dataset, device or other name is not one of those known."""


class DataError(VLAError, ValueError):
    """A dataset is missing, incomplete, of another version or of another embodiment."""


class CheckpointError(VLAError, ValueError):
    """A checkpoint folder is missing, incomplete or does not fit what it is used for."""


class ImageError(VLAError, ValueError):
    """An image cannot be read or is too large to be decoded safely."""


class InstructionError(VLAError, ValueError):
    """An instruction or question is empty, too long or written in an unsupported script."""


class ActionTokenError(VLAError, ValueError):
    """Action tokens, or the values to encode as such, do not form a valid action chunk."""


class StorageError(VLAError, RuntimeError):
    """Something could not be written: the disk is full, or permission is missing."""


def unknown_name(kind: str, name: str, allowed: Iterable[str], hint: str = "") -> UnknownNameError:
    """Build the error for a name that is not known.

    Args:
        kind: what is named, for example "task" or "checkpoint".
        name: the name that came.
        allowed: every valid name.
        hint: what to do next, one sentence without its full stop.

    Returns:
        The error, ready to be raised.
    """
    return UnknownNameError(describe_unknown(kind, name, allowed, hint))


def describe_unknown(kind: str, name: str, allowed: Iterable[str], hint: str = "") -> str:
    """Say in one line that a name is unknown, which is nearest and which are valid.

    Args:
        kind: what is named, for example "key".
        name: the name that came.
        allowed: every valid name.
        hint: what to do next, one sentence without its full stop.

    Returns:
        One line, such as ``unknown task 'pikc_up'; did you mean 'pick_up'? Valid: pick_up, push``.
    """
    names = sorted(set(allowed))
    by_lower_case = {candidate.lower(): candidate for candidate in names}
    nearest = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.5)
    message = f"unknown {kind} {name!r}"
    if nearest:
        message += f"; did you mean {by_lower_case[nearest[0]]!r}?"
    else:
        message += "."
    if names:
        more = f" and {len(names) - LISTED_NAMES} more" if len(names) > LISTED_NAMES else ""
        message += f" Valid: {', '.join(names[:LISTED_NAMES])}{more}"
    else:
        message += " None exists"
    return f"{message}. {hint}" if hint else message
