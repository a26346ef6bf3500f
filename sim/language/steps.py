"""What must be done next for a task, as far as one picture shows it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from math import hypot

from sim.language.items import Item
from sim.language.naming import Naming
from sim.language.progress import Parts, is_done, is_sorted
from sim.language.truth import OPEN, SHUT, SceneView
from sim.language.vocabulary import vocabulary
from sim.scene import Scene

# m, of a block of a swap from where it belongs: at home, not; of the other one from there: in the way, not.
AT_HOME, NOT_HOME, CROWDED, CLEAR = 0.018, 0.03, 0.07, 0.09


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


def own_step(scene: Scene, language: str) -> str | None:
    """What must be done next for a scene's own task, in words; None where one picture does not decide it."""
    view = SceneView(scene)
    task = scene["task"]
    names = (scene["target"], scene["goal"], scene["third"])
    parts = tuple(view.by_name[name] for name in names if name is not None)
    if task == "sort_by_color":
        parts = tuple(item for item in view.all if item.shape == "block")
    if not all(item.visible for item in parts):
        return None
    step = next_step(view, task, parts)
    if step is None or step.kind == "nothing":
        return None
    return write_step(step, Naming(view, vocabulary(language)))


def write_step(step: Step, naming: Naming) -> str | None:
    """A step in words; None where they cannot tell its objects apart."""
    named = [item for item in (step.it, step.goal) if item is not None]
    if not all(item.visible and naming.is_namable(item) for item in named):
        return None
    it, goal = (naming.answer(item) if item else "" for item in (step.it, step.goal))
    return naming.words.steps[step.kind].format(it=it, goal=goal)


def next_step(view: SceneView, task: str, parts: Parts) -> Step | None:
    """What must be done next for a task, by simple rules; None where one picture does not decide it."""
    if task == "swap":
        return _next_to_swap(view, parts)
    done = is_done(view, task, parts)
    if task == "stack_three" and not done:
        return _next_to_stack(view, parts)
    if done is None:
        return None
    if done:
        return Step("nothing")
    target, goal = parts[0], parts[1] if len(parts) > 1 else None
    if task == "sort_by_color":
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


def _next_to_stack(view: SceneView, parts: Parts) -> Step | None:
    """The second block onto the third, then the first onto the second; what stands in the way goes aside."""
    target, goal, third = parts
    stands = {(a.name, b.name): view.stands_on(a, b) for a, b in permutations(parts, 2)}
    if None in stands.values() or view.holding not in (None, *(block.name for block in parts)):
        return None

    def top(block: Item) -> Item:
        above = [other for other in parts if other is not block and stands[other.name, block.name]]
        return top(above[0]) if above else block

    upper, lower = (target, goal) if stands[goal.name, third.name] else (goal, third)
    if any(stands[third.name, block.name] for block in (target, goal)):
        in_the_way = [top(third)]
    else:
        in_the_way = [top(block) for block in (lower, upper) if top(block) is not block]
    if view.holding is None:
        return Step("pick_up", in_the_way[0] if in_the_way else upper)
    return Step("put_on", None, lower) if view.holding == upper.name and not in_the_way else Step("put_aside")


def _next_to_swap(view: SceneView, parts: Parts) -> Step | None:
    """Each block home to where the other one began, or aside while that one still stands there."""
    marks, names = view.scene["marks"], [block.name for block in parts]
    if not marks.keys() >= set(names) or view.holding not in (None, *names):
        return None
    waiting, can_go = [], []
    for block, other in (parts, parts[::-1]):
        x, y = marks[other.name]
        away, room = hypot(block.x - x, block.y - y), hypot(other.x - x, other.y - y)
        if not (away < AT_HOME or away > NOT_HOME) or CROWDED < room < CLEAR:
            return None
        if away > NOT_HOME or view.holding == block.name:
            waiting.append(block)
            can_go += [block] if room > CLEAR else []
    if view.holding is None:
        return Step("pick_up", (can_go or waiting)[0]) if waiting else None
    held, other = parts if view.holding == parts[0].name else parts[::-1]
    if held not in can_go:
        return Step("put_aside")
    x, y = marks[other.name]
    zones = [item for item in view.items if item.shape == "zone" and hypot(item.x - x, item.y - y) < AT_HOME]
    return Step("put_on", None, zones[0]) if zones else None


def _next_to_sort(view: SceneView, parts: Parts) -> Step | None:
    """Only where one block is left to sort, or one is held: else either could come first."""
    states = [is_sorted(view, block) for block in parts]
    if view.holding is not None:
        held = [block for block in parts if block.name == view.holding]
        bowls = [item for item in view.items if held and item.shape == "bowl" and item.color == held[0].color]
        return Step("put_in", None, bowls[0]) if len(bowls) == 1 else None
    left = [block for block, state in zip(parts, states, strict=True) if state is False]
    return Step("pick_up", left[0]) if len(left) == 1 and True in states else None
