"""What must be done next for a task, as far as one picture shows it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

from sim.language.items import Item
from sim.language.progress import Parts, is_done, is_on, is_sorted
from sim.language.truth import OPEN, SHUT, SceneView


@dataclass(frozen=True)
class Step:
    """What to do next: a kind of step (a key of `steps` in the YAML files) and the objects in it."""

    kind: str
    it: Item | None = None
    goal: Item | None = None


_PUT = {
    "place_in_bowl": "put_in",
    "place_on_plate": "put_on",
    "place_on_card": "put_on",
    "stack": "put_on",
    "move_near": "put_near",
    "put_in_drawer": "put_in",
}
_SINGLE = ("reach", "push", "push_to_block", "knock_over", "open_drawer", "close_drawer", "press_button")


def next_step(view: SceneView, task: str, parts: Parts) -> Step | None:
    """What must be done next for a task, by simple rules; None where one picture does not decide it."""
    done = is_done(view, task, parts)
    if done is None:
        return None
    if done:
        return Step("nothing")
    target, goal = parts[0], parts[1] if len(parts) > 1 else None
    if task == "stack_three":
        lower = is_on(view, parts[1], parts[2])
        if lower is None or not _stand_apart(view, parts, lower):
            return None
        target, goal, task = (target, parts[1], "stack") if lower else (parts[1], parts[2], "stack")
    elif task == "sort_by_color":
        return _next_to_sort(view, parts)
    held = view.holding == target.name
    if view.holding is not None and not held:
        return None
    if task in _SINGLE:
        return None if held else Step(task, target, goal)
    if task == "put_in_drawer" and goal is not None and goal.joint < OPEN:
        return None if held or goal.joint > SHUT else Step("open_drawer", goal)
    if not held or task == "pick_up":
        return Step("pick_up", target)
    if task == "place_upright":
        return Step("put_upright")
    return Step(_PUT[task], None, goal) if task in _PUT else None


def _stand_apart(view: SceneView, parts: Parts, lower: bool) -> bool:
    """Whether none of three blocks stands on another, but for the second on the third if `lower`.

    What stands wrongly must go aside first, and there are no words for that.
    """
    pairs = [pair for pair in permutations(parts, 2) if not (lower and pair == (parts[1], parts[2]))]
    return all(is_on(view, *pair) is False for pair in pairs)


def _next_to_sort(view: SceneView, parts: Parts) -> Step | None:
    """Only where one block is left to sort, or one is held: else either could come first."""
    states = [is_sorted(view, block) for block in parts]
    if view.holding is not None:
        held = [block for block in parts if block.name == view.holding]
        bowls = [item for item in view.items if held and item.shape == "bowl" and item.color == held[0].color]
        return Step("put_in", None, bowls[0]) if len(bowls) == 1 else None
    left = [block for block, state in zip(parts, states, strict=True) if state is False]
    return Step("pick_up", left[0]) if len(left) == 1 and True in states else None
