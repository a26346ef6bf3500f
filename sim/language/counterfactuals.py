"""What else somebody could have asked for in a scene: there only the words decide what is to be done."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from sim.language.instructions import ROLE_NAMES, write_instruction
from sim.language.naming import Naming
from sim.language.progress import Parts, can_do, draw_parts, goals_are_free, is_done, is_in_drawer
from sim.language.truth import MOVABLE, UPRIGHT, SceneView
from sim.language.vocabulary import pick, vocabulary
from sim.scene import Scene

OWN_TASK = 0.3  # how often to ask for the scene's own task, of other objects
REORDERED = 0.7  # of a tower: how often for the same blocks in another order
DRAWS = 4  # tasks and objects looked at for something that can be done
PUT_DOWN = ("place_in_bowl", "place_on_plate", "place_on_card", "stack", "move_near")
# Not those that a scene must be laid out for: a way to push along, room before a drawer, places to swap.
ASKED = (
    *("reach", "pick_up", *PUT_DOWN, "stack_three", "knock_over"),
    *("open_drawer", "close_drawer", "press_button"),
)


def counterfactual(scene: Scene, language: str, rng: np.random.Generator) -> tuple[Scene, str] | None:
    """Draw another instruction for a scene, one that an expert can carry out from there.

    One picture with several instructions teaches to heed them; compare the counterfactual labels of CAST
    (arXiv:2508.13446), which a language model writes.

    Args:
        scene: the truth about a state of any task, see `info["scene"]`.
        language: of the instruction.
        rng: source of every draw.
    Returns:
        The scene with the task and objects of that instruction, for `sim.experts`, and the instruction; None
        where nothing was found in a few draws.
    """
    view = SceneView(scene)
    words = vocabulary(language)
    naming = Naming(view, words)
    own = tuple(scene[role] for role in ROLE_NAMES)  # type: ignore[literal-required]
    for _ in range(DRAWS):
        task, parts = _draw(view, rng)
        if parts is None or not all(item.visible and naming.is_namable(item) for item in parts):
            continue
        names = (*(item.name for item in parts), None, None)[:3]
        if (task, names) != (scene["task"], own) and _is_possible(view, task, parts):
            roles = dict(zip(ROLE_NAMES, names, strict=True))
            other: Scene = {**scene, "task": task, **roles}  # type: ignore[typeddict-item]
            return other, write_instruction(task, parts, words, naming, rng)
    return None


def _draw(view: SceneView, rng: np.random.Generator) -> tuple[str, Parts | None]:
    own = view.scene["task"]
    if own == "stack_three" and rng.random() < REORDERED:
        blocks = [view.by_name[view.scene[role]] for role in ROLE_NAMES]  # type: ignore[literal-required]
        return own, pick(rng, list(permutations(blocks)))
    task = own if own in ASKED and rng.random() < OWN_TASK else pick(rng, ASKED)
    return task, draw_parts(view, task, rng)


def _is_possible(view: SceneView, task: str, parts: Parts) -> bool:
    """Whether it is not done, and can be from here, perhaps with what is in the hand already."""
    target, *goals = parts
    if task == "stack_three":
        return is_done(view, task, parts) is False and view.holding in (None, *(it.name for it in parts))
    if view.holding == target.name:
        return task in PUT_DOWN and is_done(view, task, parts) is False and goals_are_free(view, goals)
    if target.shape == "bottle" and target.up < UPRIGHT:
        return False  # what lies is taken by its stopper, to be set upright
    drawers = [item for item in view.all if item.shape == "drawer"]
    if target.shape in MOVABLE and any(is_in_drawer(target, drawer) is not False for drawer in drawers):
        return False  # nothing is taken out of a drawer
    return can_do(view, task, parts)
