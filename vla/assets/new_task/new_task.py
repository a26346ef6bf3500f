"""A task of your own, "new task". As it is the hand hovers over an object: change it part by part.

A task is four things: which scenes it is about and when it is done (the class), what to do in any of its
scenes (the expert), how it is asked for (the instructions), and TASK, which ties them together.
"""

from typing import ClassVar

import numpy as np

from sim.experts.base import OPEN, Subgoal, funnel
from sim.plugins import TaskPlugin
from sim.scene import Scene, find
from sim.tasks.base import GRASPABLE, Task
from sim.tasks.conditions import half_height

HEIGHT = 0.08  # m, of the fingertips above the object's top
NEAR = 0.03  # m, from there


class NewTask(Task):
    """Done when the fingertips are 8 cm above the object: "hover over the red block"."""

    name: ClassVar[str] = "new_task"
    # The shapes that each part may have: the target, then perhaps a goal and a third. See sim/objects.py.
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (GRASPABLE,)
    # Where objects stand and what must be clear: `start`, `allowed`, `finish` and `marks` of the base class.

    def is_success(self, scene: Scene) -> bool:
        """Whether the hand is above the target. `sim.scene.Scene` says what a scene holds."""
        return bool(np.linalg.norm(_place(scene) - scene["gripper"]["position"]) < NEAR)


def expert(scene: Scene) -> Subgoal:
    """Where the hand goes next. It remembers nothing: any scene, whatever led to it, has its right action.

    Experts to build on: `grasp` in sim/experts/pick_up.py, and `sim/experts/place.py`.
    """
    place = _place(scene)
    aside = float(np.hypot(*(place - scene["gripper"]["position"])[:2]))
    return Subgoal(place + funnel(aside, free=0.02, slope=1.0, ceiling=0.05), OPEN)


def _place(scene: Scene) -> np.ndarray:
    """Above the middle of the target, float64[3], m in the robot's base frame."""
    target = find(scene, scene["target"])
    x, y, z = target["position"]
    return np.array([x, y, z + half_height(target) + HEIGHT])


# {target}, {goal} and {third} become "red block" or "赤いブロック".
INSTRUCTIONS = {
    "en": [
        "hover over the {target}",
        "hold your hand above the {target}",
        "keep the gripper over the {target}",
    ],
    "ja": ["{target}の上に手をかざして", "{target}の真上で止まって"],
}
# Wordings that no training shows: `vla eval --set splits=[paraphrases]` asks in these.
HELD_OUT = {
    "en": ["place the hand over the {target} without touching it"],
    "ja": ["{target}の上方に手を移動して"],
}
TASK = TaskPlugin(NewTask, expert, INSTRUCTIONS, HELD_OUT, max_episode_steps=60)
