"""The kinds of questions: what is asked about a scene, and its true answer. A file each theme."""

from __future__ import annotations

from collections.abc import Callable

from sim.language.families.base import POINT, Question, Rng
from sim.language.families.cards import ask_symbol
from sim.language.families.looks import ask_color, ask_count, ask_existence, ask_shape, ask_size
from sim.language.families.places import (
    ask_color_at,
    ask_inventory,
    ask_location,
    ask_nearest,
    ask_relation,
)
from sim.language.families.states import ask_opening, ask_state
from sim.language.families.tasks import ask_done, ask_feasible, ask_next_step
from sim.language.families.unanswerable import ask_unanswerable
from sim.language.naming import Naming
from sim.language.truth import SceneView
from sim.language.vocabulary import Phrasing

ASKERS: dict[str, Callable[[SceneView, Naming, Rng, Phrasing], Question | None]] = {
    "color": ask_color,
    "existence": ask_existence,
    "count": ask_count,
    "relation": ask_relation,
    "location": ask_location,
    "inventory": ask_inventory,
    "color_at": ask_color_at,
    "done": ask_done,
    "state": ask_state,
    "shape": ask_shape,
    "size": ask_size,
    "nearest": ask_nearest,
    "symbol": ask_symbol,
    "opening": ask_opening,
    "feasible": ask_feasible,
    "next_step": ask_next_step,
    "unanswerable": ask_unanswerable,
}
FAMILIES = tuple(ASKERS)

__all__ = ["ASKERS", "FAMILIES", "POINT", "Question"]
