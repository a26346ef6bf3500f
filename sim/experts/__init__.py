"""Scripted experts: the right action in any state of a task, from the truth about the scene."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sim.errors import unknown_name
from sim.experts.base import Subgoal, perturb, steer
from sim.experts.pick_up import pick_up
from sim.experts.place_in_bowl import place_in_bowl
from sim.experts.push import push
from sim.experts.reach import reach
from sim.scene import Scene

EXPERTS: dict[str, Callable[[Scene], Subgoal]] = {
    "reach": reach,
    "push": push,
    "pick_up": pick_up,
    "place_in_bowl": place_in_bowl,
}


def expert_subgoal(task: str, scene: Scene) -> Subgoal:
    """Where a task's expert moves the hand next, in the scene of `info["scene"]`.

    Raises:
        SimError: there is no such task.
    """
    if task not in EXPERTS:
        raise unknown_name("task", task, EXPERTS)
    return EXPERTS[task](scene)


def expert_action(task: str, scene: Scene) -> NDArray[np.float32]:
    """Action of a task's expert, float32[7] in [-1, 1], in the scene of `info["scene"]`.

    Raises:
        SimError: there is no such task.
    """
    subgoal = expert_subgoal(task, scene)
    return steer(np.array(scene["gripper"]["position"]), subgoal)


__all__ = ["EXPERTS", "Subgoal", "expert_action", "expert_subgoal", "perturb"]
