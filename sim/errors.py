"""Errors of the simulator: each names what came, what is allowed and what to do next."""

import difflib
from collections.abc import Iterable


class SimError(ValueError):
    """The caller asked the simulator for something it cannot do."""


class CrowdedError(SimError):
    """A drawn layout leaves no room for what the task needs besides; another draw may."""


def unknown_name(kind: str, name: object, allowed: Iterable[str], hint: str = "") -> SimError:
    """Build the error for a name outside a fixed set.

    Args:
        kind: what the name stands for, e.g. "task".
        name: what came.
        allowed: every valid name.
        hint: what to do next; one sentence.
    Returns:
        The error, with the nearest valid name in its message.
    """
    names = list(allowed)
    nearest = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    guess = f" Did you mean {nearest[0]!r}?" if nearest else ""
    tail = f" {hint}" if hint else ""
    return SimError(f"unknown {kind} {name!r}; known: {', '.join(names)}.{guess}{tail}")
