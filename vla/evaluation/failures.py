"""Why an episode failed, by the simulator's truth."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sim.objects import DRAWER_HANDLE, SHAPES
from sim.tasks import TASK_CLASSES
from sim.tasks.base import PARTS
from sim.tasks.conditions import half_height
from sim.tasks.drawers import handle_of
from sim.tasks.reach import REACH_DISTANCE

Failure = Literal[
    "wrongly terminated",
    "wrong object",
    "never reached",
    "missed grasp",
    "dropped",
    "wrong place",
    "timeout",
]
FAILURES: tuple[Failure, ...] = get_args(Failure)
NO_GRASP = ("reach", "push", "push_to_block", "knock_over", "open_drawer", "close_drawer", "press_button")
"""Tasks that are done without taking anything up."""


@dataclass
class Trace:
    """What the hand came to and held in an episode so far.

    Attributes:
        reached: names of the objects that the fingertips came to, in order.
        held: names of those that were held, in order.
        slipped: whether what was held last left the hand while the fingers were told to close.
    """

    reached: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    slipped: bool = False
    _holding: str | None = None

    def see(self, scene: Mapping[str, Any], closing: bool) -> None:
        """Take in a scene, and whether the last action told the fingers to close."""
        name = at_fingertips(scene)
        if name is not None and name not in self.reached:
            self.reached.append(name)
        holding = scene["gripper"]["holding"]
        if holding is not None and holding not in self.held:
            self.held.append(holding)
        if self._holding is not None and holding is None:
            self.slipped = closing
        self._holding = holding


def classify(scene: Mapping[str, Any], trace: Trace, by_policy: bool) -> Failure:
    """Name the cause of a failure.

    The classes are asked in this order, and the first that fits is the cause: the policy itself ended the
    episode; something that the instruction does not name was held, or reached instead of the target; the
    target was not reached; not held, in a task that asks for it; lost from closed fingers; put down by
    opening them, where it does not belong; and otherwise there was not enough time.

    Args:
        scene: the last one of the episode.
        trace: of the whole episode.
        by_policy: whether the policy ended the episode.
    """
    task = scene["task"]
    movable = {item["name"] for item in scene["objects"] if SHAPES[item["shape"]].part == "movable"}
    named = movable if TASK_CLASSES[task].fixed_words else {scene[part] for part in PARTS}
    wanted = movable if TASK_CLASSES[task].fixed_words else {scene["target"]}
    if by_policy:
        return "wrongly terminated"
    if any(name not in named for name in trace.held):
        return "wrong object"
    if not any(name in wanted for name in (*trace.reached, *trace.held)):
        return "wrong object" if any(name not in named for name in trace.reached) else "never reached"
    if task in NO_GRASP:
        return "timeout"
    if not trace.held:
        return "missed grasp"
    if scene["gripper"]["holding"] is not None:
        return "timeout"
    return "dropped" if trace.slipped else "wrong place"


def at_fingertips(scene: Mapping[str, Any], parts: Sequence[str] = ("movable", "fixture")) -> str | None:
    """Name of the object whose top or handle the fingertips are at; the nearest one if there are two.

    Args:
        scene: the truth.
        parts: kinds of objects that count, of `sim.objects.Shape.part`.
    """
    gripper = scene["gripper"]["position"]
    distances = {
        item["name"]: math.dist(gripper, _place_to_touch(item))
        for item in scene["objects"]
        if SHAPES[item["shape"]].part in parts
    }
    nearest = min(distances, key=lambda name: distances[name], default=None)
    return nearest if nearest is not None and distances[nearest] < REACH_DISTANCE else None


def _place_to_touch(item: Any) -> tuple[float, float, float]:
    if item["shape"] == "drawer":
        return (*handle_of(item), DRAWER_HANDLE[1])
    x, y, z = item["position"]
    return x, y, z + half_height(item)
