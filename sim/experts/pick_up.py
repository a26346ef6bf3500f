"""Expert for pick up, and the grasp that other experts begin with."""

import numpy as np

from sim.experts.base import CLOSED, OPEN, Point, Subgoal, funnel
from sim.scene import Scene, SceneObject, find
from sim.tasks.conditions import half_height

LIFTED_HEIGHT = 0.14  # m; beyond what success asks for, so that the last steps are still at speed
_IN_PLACE = (0.014, 0.014, 0.012)  # m, error of the fingertips in x, y, z at which the gripper closes
_LOWEST = 0.016  # m, of the fingertips
_GRASP_DEPTH = 0.02  # m, of the fingertips below the top of what is taller than a block


def grasp_point(item: SceneObject) -> Point:
    """Where the fingertips close on an object that stands upright, float64[3], m."""
    x, y, z = item["position"]
    half = half_height(item)
    depth = max(half, _GRASP_DEPTH) if item["shape"] != "bottle" else 0.012
    return np.array([x, y, max(z + half - depth, _LOWEST)])


def grasp(scene: Scene, name: str | None = None) -> Subgoal:
    """Towards closing the gripper on an object, the target if none is named."""
    gripper = np.array(scene["gripper"]["position"])
    item = find(scene, name or scene["target"])
    point = grasp_point(item)
    error = point - gripper
    command = CLOSED if bool((np.abs(error) < _IN_PLACE).all()) else OPEN
    ceiling = 0.08 + 2 * max(half_height(item) - 0.02, 0.0)
    goal = point + funnel(float(np.hypot(*error[:2])), free=0.008, slope=2.0, ceiling=ceiling)
    return Subgoal(goal, command)


def pick_up(scene: Scene) -> Subgoal:
    """Towards holding the target above the table."""
    if scene["gripper"]["holding"] != scene["target"]:
        return grasp(scene)
    gripper = np.array(scene["gripper"]["position"])
    return Subgoal(
        np.array([gripper[0], gripper[1], LIFTED_HEIGHT + half_height(find(scene, scene["target"])) - 0.02]),
        CLOSED,
    )
