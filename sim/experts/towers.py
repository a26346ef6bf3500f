"""Experts for tasks that move several blocks, one after the other."""

import math
from dataclasses import replace

import numpy as np

from sim.experts.base import CLOSED, Subgoal
from sim.experts.place import CLEAR, carry, leave, put_in_bowl, put_on_top
from sim.scene import Scene, SceneObject, find
from sim.tasks.conditions import across, half_height, is_on_table, is_on_top
from sim.tasks.sort_by_color import is_sorted, pairs
from sim.tasks.swap import FREE, PLACES

_AT_MARK = 0.022  # m, between a block and the place where it should be
_MARK_ERROR = (0.014, 0.014, 0.012)  # m, of the fingertips
_ASIDE = 0.06  # m, from the free place: as good as that, where nothing stands
_APART = 0.085  # m, between a block put aside and everything else
_FINGER_REACH = 0.06  # m, from the middle of the hand to beyond its open fingers
_ROOM, _CROWDED = 0.14, 10.0  # m, likewise beside a tower; a metre less of it is as bad as ten metres of way
_RISEN = 0.02  # m, of the fingertips above an object that they have left


def stack_three(scene: Scene) -> Subgoal:
    """Towards the goal on the third, then the target on the goal; what stands in the way goes aside."""
    assert scene["goal"] is not None and scene["third"] is not None
    holding = scene["gripper"]["holding"]
    upper, lower = scene["goal"], scene["third"]
    middle, base = find(scene, upper), find(scene, lower)
    if not is_on_table(base):
        obstacle: str | None = _top(scene, lower)
    else:
        if holding != upper and is_on_top(middle, base):
            upper, lower = scene["target"], scene["goal"]
            top = find(scene, upper)
            if holding != upper and is_on_top(top, middle):
                return leave(scene, top)
            if holding is None and _is_around(scene, middle, rather_than=top):
                return leave(scene, middle)
        tops = ((name, _top(scene, name)) for name in (lower, upper))
        obstacle = next((above for name, above in tops if above != name), None)
    if obstacle is None and holding in (None, upper):
        return put_on_top(scene, upper, lower)
    moved = holding or obstacle
    assert moved is not None
    return _put_aside(scene, moved)


def sort_by_color(scene: Scene) -> Subgoal:
    """Towards each block in the bowl of its colour: first the one that is held, if one is."""
    waiting = [(block, bowl) for block, bowl in pairs(scene) if not is_sorted(scene, block)]
    if not waiting:
        return leave(scene, find(scene, scene["target"]))
    waiting.sort(key=lambda pair: pair[0]["name"] != scene["gripper"]["holding"])
    block, bowl = waiting[0]
    return put_in_bowl(scene, block["name"], bowl)


def swap(scene: Scene) -> Subgoal:
    """Towards each of the two where the other one stood; a block whose place is taken goes aside."""
    target, goal = scene["target"], scene["goal"]
    assert goal is not None
    marks, holding = scene["marks"], scene["gripper"]["holding"]
    places, others = {target: marks[goal], goal: marks[target]}, {target: goal, goal: target}
    waiting = [name for name in places if name == holding or not _is_at(scene, name, places[name])]
    can_go = [name for name in waiting if _is_clear(scene, others[name], places[name])]
    name = holding if holding in places else next(iter(can_go or waiting), target)
    place = places[name] if name in can_go else _aside(scene, name)
    return carry(scene, name, place, CLEAR, _MARK_ERROR)


def _aside(scene: Scene, name: str) -> list[float]:
    """Where to put a block aside: where it is, if that is near the free place and away from all else."""
    marks = scene["marks"]
    here = find(scene, name)["position"][:2]
    taken = [item["position"][:2] for item in scene["objects"] if item["name"] != name]
    taken += [mark for of, mark in marks.items() if of != FREE]
    if math.dist(here, marks[FREE]) < _ASIDE and all(math.dist(here, place) > _APART for place in taken):
        return here
    return marks[FREE]


def _top(scene: Scene, name: str) -> str:
    """What is uppermost of all that stands on an object, and is not held; itself, if nothing does."""
    lower, holding = find(scene, name), scene["gripper"]["holding"]
    for item in scene["objects"]:
        if item["name"] not in (name, holding) and is_on_top(item, lower):
            return _top(scene, item["name"])
    return name


def _free_place(scene: Scene, name: str) -> list[float]:
    """A place for an object that is near to it and away from all else: where it is, if that is."""
    here = np.array(find(scene, name)["position"][:2])
    taken = np.array([item["position"][:2] for item in scene["objects"] if item["name"] != name])
    places = np.concatenate([here[None], PLACES])
    apart = np.hypot(*(places[:, None] - taken).transpose(2, 0, 1)).min(axis=1)
    away = np.hypot(*(places - here).T)
    return list(places[np.argmin(away + _CROWDED * np.maximum(_ROOM - apart, 0.0))])


def _put_aside(scene: Scene, name: str) -> Subgoal:
    """Towards having an object on the table, away from all else; off a tower it goes straight up first."""
    item, (x, y, z) = find(scene, name), scene["gripper"]["position"]
    subgoal = carry(scene, name, _free_place(scene, name), CLEAR, _MARK_ERROR)
    below = [
        other["position"][2] + half_height(other)
        for other in scene["objects"]
        if other["name"] != name and across(item, other) < _FINGER_REACH
    ]
    clearance = item["position"][2] - half_height(item) - max(below, default=0.0)
    if scene["gripper"]["holding"] != name or not below or clearance > _RISEN:
        return subgoal
    return replace(subgoal, position=np.array([x, y, z + 2 * _RISEN]), command=CLOSED)


def _is_around(scene: Scene, item: SceneObject, rather_than: SceneObject) -> bool:
    """Whether the open fingers are still beside an object, and would drag it along if they moved sideways."""
    x, y, z = scene["gripper"]["position"]
    beside, further = (math.dist((x, y), thing["position"][:2]) for thing in (item, rather_than))
    low = z < item["position"][2] + half_height(item) + _RISEN
    return beside < min(_FINGER_REACH, further) and low


def _is_at(scene: Scene, name: str, mark: list[float]) -> bool:
    return math.dist(find(scene, name)["position"][:2], mark) < _AT_MARK


def _is_clear(scene: Scene, name: str, mark: list[float]) -> bool:
    """Whether a block is far enough from a place for another one to be put there."""
    return math.dist(find(scene, name)["position"][:2], mark) > 0.08
