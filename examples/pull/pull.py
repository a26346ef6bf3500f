"""Pull: bring an object to the robot along the table. A task that the default checkpoint has never seen."""

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from sim.experts.base import CLOSED, Subgoal
from sim.experts.pick_up import grasp, grasp_point
from sim.layout import Kind, Spot
from sim.plugins import TaskPlugin
from sim.scene import WORKSPACE, Scene, find
from sim.tasks.base import LOW, Task
from sim.tasks.conditions import half_height, is_on_table

NEAR_EDGE = 0.40  # m along x, from the robot's base: an object is near once its middle is this close
START = 0.50  # m along x, beyond which it stands at first
ROOM = 0.055  # m, that the open fingers need beside the object's way, and the width of what stands there
PULL_TO, PULL_SPEED = 0.38, 0.8  # m along x; share of a full action, so that the object does not slip


class Pull(Task):
    """Done when the object lies near the robot: "pull the red block towards you"."""

    name: ClassVar[str] = "pull"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (LOW,)
    any_target: ClassVar[bool] = False  # only the first one stands far away, its way clear

    def start(self, rng: np.random.Generator, kinds: Sequence[Kind]) -> list[Spot]:
        """Draw the target far from the robot."""
        (_, x_high), (y_low, y_high) = WORKSPACE
        return [Spot(kinds[0], float(rng.uniform(START, x_high)), float(rng.uniform(y_low, y_high)))]

    def allowed(self, spots: Sequence[Spot], kind: Kind, x: float, y: float) -> bool:
        """Whether (x, y) is clear of the way from the target to the robot."""
        target = spots[0]
        beyond = max(x - target.x, 0.0)
        return math.hypot(beyond, y - target.y) >= ROOM + kind.clearance

    def is_success(self, scene: Scene) -> bool:
        """Whether the target lies near the robot; one that is carried through the air does not."""
        target = find(scene, scene["target"])
        return target["position"][0] < NEAR_EDGE and is_on_table(target)


def expert(scene: Scene) -> Subgoal:
    """Take the object where it stands, and draw it straight to the robot."""
    if scene["gripper"]["holding"] != scene["target"]:
        return grasp(scene)
    target = find(scene, scene["target"])
    x, y, _ = target["position"]
    *_, height = grasp_point({**target, "position": [x, y, half_height(target)]})  # as it lies on the table
    return Subgoal(
        np.array([PULL_TO, scene["gripper"]["position"][1], height]), CLOSED, (PULL_SPEED, 1.0, 1.0)
    )


INSTRUCTIONS = {
    "en": [
        "pull the {target} towards you",
        "pull the {target} to the front",
        "drag the {target} to your side of the table",
        "bring the {target} closer to you",
    ],
    "ja": [
        "{target}を手前に引いて",
        "{target}を自分のほうへ引き寄せて",
        "{target}をこちら側に引っ張って",
    ],
}
HELD_OUT = {
    "en": ["slide the {target} back to yourself", "i want the {target} nearer to the robot"],
    "ja": ["{target}をロボットの近くまで引き寄せてください"],
}
TASK = TaskPlugin(Pull, expert, INSTRUCTIONS, HELD_OUT, max_episode_steps=60)
