"""`vla`, but a picture is learned with one action or one answer: what packing several of them is worth.

Usage: scripts/variants/one_turn.py VERB ..., as `vla VERB ...`; see scripts/ablations.py.
"""

import sys
from pathlib import Path
from typing import Any

from vla.cli import main
from vla.data import mixture
from vla.data.collate import Turn
from vla.data.mixture import TurnPacker

pack, keep = TurnPacker.turns, mixture.cached_arrays


def first_turn(packer: TurnPacker, row: int) -> list[Turn]:
    """As `TurnPacker.turns`: the action, if there is one, or a question."""
    return pack(packer, row)[:1]


def keep_apart(dataset: Any, name: str, *rest: Any) -> Any:
    """As `cached_arrays`, but rows of this program are not those of another one."""
    return keep(dataset, f"{Path(sys.argv[0]).stem}-{name}", *rest)


mixture.cached_arrays = keep_apart
TurnPacker.turns = first_turn  # type: ignore[method-assign]
if __name__ == "__main__":
    sys.exit(main())
