"""Experts for tasks that move several blocks, one after the other."""

import math

from sim.experts.base import Subgoal
from sim.experts.place import CLEAR, carry, leave, put_in_bowl, put_on_top
from sim.scene import Scene, SceneObject, find
from sim.tasks.conditions import half_height, is_on_top
from sim.tasks.sort_by_color import is_sorted, pairs
from sim.tasks.swap import FREE

_AT_MARK = 0.022  # m, between a block and the place where it should be
_MARK_ERROR = (0.014, 0.014, 0.012)  # m, of the fingertips
_ASIDE = 0.06  # m, from the free place: as good as that, where nothing stands
_APART = 0.085  # m, between a block put aside and everything else
_FINGER_REACH = 0.06  # m, from the middle of the hand to beyond its open fingers
_RISEN = 0.02  # m, of the fingertips above an object that they have left


def stack_three(scene: Scene) -> Subgoal:
    """Towards the goal on the third, then the target on the goal."""
    assert scene["goal"] is not None and scene["third"] is not None
    holding = scene["gripper"]["holding"]
    middle = find(scene, scene["goal"])
    if holding != scene["goal"] and is_on_top(middle, find(scene, scene["third"])):
        if holding is None and _is_around(scene, middle):
            return leave(scene, middle)
        return put_on_top(scene, scene["target"], scene["goal"])
    return put_on_top(scene, scene["goal"], scene["third"])


def sort_by_color(scene: Scene) -> Subgoal:
    """Towards each block in the bowl of its colour: first the one that is held, if one is."""
    waiting = [(block, bowl) for block, bowl in pairs(scene) if not is_sorted(scene, block)]
    if not waiting:
        return leave(scene, find(scene, scene["target"]))
    waiting.sort(key=lambda pair: pair[0]["name"] != scene["gripper"]["holding"])
    block, bowl = waiting[0]
    return put_in_bowl(scene, block["name"], bowl)


def swap(scene: Scene) -> Subgoal:
    """Target aside, goal to where the target stood, target to where the goal stood."""
    target, goal = scene["target"], scene["goal"]
    assert goal is not None
    marks, holding = scene["marks"], scene["gripper"]["holding"]
    goal_done = holding != goal and _is_at(scene, goal, marks[target])
    if goal_done:
        return carry(scene, target, marks[goal], CLEAR, _MARK_ERROR)
    if holding != target and _is_clear(scene, target, marks[target]):
        return carry(scene, goal, marks[target], CLEAR, _MARK_ERROR)
    return carry(scene, target, _aside(scene, target), CLEAR, _MARK_ERROR)


def _aside(scene: Scene, name: str) -> list[float]:
    """Where to put a block aside: where it is, if that is near the free place and away from all else."""
    marks = scene["marks"]
    here = find(scene, name)["position"][:2]
    taken = [item["position"][:2] for item in scene["objects"] if item["name"] != name]
    taken += [mark for of, mark in marks.items() if of != FREE]
    if math.dist(here, marks[FREE]) < _ASIDE and all(math.dist(here, place) > _APART for place in taken):
        return here
    return marks[FREE]


def _is_around(scene: Scene, item: SceneObject) -> bool:
    """Whether the open fingers are still beside an object, and would drag it along if they moved sideways."""
    x, y, z = scene["gripper"]["position"]
    beside = math.dist((x, y), item["position"][:2]) < _FINGER_REACH
    return beside and z < item["position"][2] + half_height(item) + _RISEN


def _is_at(scene: Scene, name: str, mark: list[float]) -> bool:
    return math.dist(find(scene, name)["position"][:2], mark) < _AT_MARK


def _is_clear(scene: Scene, name: str, mark: list[float]) -> bool:
    """Whether a block is far enough from a place for another one to be put there."""
    return math.dist(find(scene, name)["position"][:2], mark) > 0.08
