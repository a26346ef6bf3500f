"""Scripted experts: the right action in any state of a task, from the truth about the scene."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sim.errors import unknown_name
from sim.experts.base import Subgoal, perturb, steer, stray
from sim.experts.bottles import knock_over, place_upright
from sim.experts.fixtures import close_drawer, open_drawer, press_button, put_in_drawer
from sim.experts.pick_up import pick_up
from sim.experts.place import move_near, place_in_bowl, place_on_card, place_on_plate, stack
from sim.experts.push import push, push_to_block
from sim.experts.reach import reach
from sim.experts.towers import sort_by_color, stack_three, swap
from sim.scene import Scene

EXPERTS: dict[str, Callable[[Scene], Subgoal]] = {
    "reach": reach,
    "push": push,
    "push_to_block": push_to_block,
    "pick_up": pick_up,
    "place_in_bowl": place_in_bowl,
    "place_on_plate": place_on_plate,
    "place_on_card": place_on_card,
    "move_near": move_near,
    "stack": stack,
    "knock_over": knock_over,
    "place_upright": place_upright,
    "open_drawer": open_drawer,
    "close_drawer": close_drawer,
    "put_in_drawer": put_in_drawer,
    "press_button": press_button,
    "swap": swap,
    "sort_by_color": sort_by_color,
    "stack_three": stack_three,
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
    return steer(scene["gripper"], subgoal)


__all__ = ["EXPERTS", "Subgoal", "expert_action", "expert_subgoal", "perturb", "steer", "stray"]
