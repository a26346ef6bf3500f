"""What is plainly true of a scene: the facts that questions and captions are made from.

A fact that a person could dispute (two blocks almost level, a block half over a rim) is neither true nor
false here: the margins below leave it out. "Left" and "right" are those of the front camera's image.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import NamedTuple

from sim.camera import IMAGE_LEFT_IS_POSITIVE_Y
from sim.scene import Scene

SIDE_MARGIN = 0.05  # m across the image: wide enough to hold at any depth of the table
DEPTH_MARGIN = 0.04  # m along x
RANGE_MARGIN = 0.02  # m along the line to the robot's base or to the camera
CAMERA_SIDE = 1.0  # m: x of a point below the front camera, in front of the table
IN_BOWL = 0.045  # m between centres: a block nearer than this to a bowl's centre lies in it
OUTSIDE = 0.08  # m between centres: a block further than this is clear of a bowl or zone
ON_ZONE = 0.04  # m between centres: a block nearer than this is on the zone
LIFTED = 0.10  # m: a held block whose centre is above this has been picked up (8 cm above where it lay)
RESTING = 0.06  # m: a block whose centre is below this lies on the table or in a bowl
BLOCK_TOP = 0.02  # m from a block's centre to its top
AT_TOP = 0.03  # m between the tool point and a block's top: has reached it
AWAY = 0.06  # m: has not reached it
SIDE_THIRD = 0.08  # m from the middle line: beyond it lie the left and the right of the table
THIRD_MARGIN = 0.02  # m: no word for objects this close to a border between left, middle and right


class Item(NamedTuple):
    """One visible object; `left` and `near` grow towards the image's left and the camera, m."""

    name: str
    shape: str
    color: str
    x: float
    y: float
    z: float
    left: float
    near: float


def image_left_key(position: Sequence[float]) -> float:
    """How far left a place (x, y, ...) lies in the front camera's image, m from the middle line."""
    return position[1] if IMAGE_LEFT_IS_POSITIVE_Y else -position[1]


class SceneView:
    """The visible objects of a scene, and what holds between them.

    Args:
        scene: `info["scene"]` of an env, or the scene of a still picture.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.items: list[Item] = []
        self.named: dict[str, Item] = {}  # objects that are the only one of their name
        self.hidden: set[tuple[str, str]] = set()  # (shape, color) of objects out of sight
        self.unseen: list[tuple[float, float]] = []  # their places
        repeated: set[str] = set()
        for thing in scene["objects"]:
            if not thing["visible"]:
                self.hidden.add((thing["shape"], thing["color"]))
                self.unseen.append((thing["position"][0], thing["position"][1]))
                continue
            x, y, z = thing["position"]
            left = image_left_key((x, y))
            item = Item(thing["name"], thing["shape"], thing["color"], x, y, z, left, x)
            self.items.append(item)
            if item.name in self.named:
                repeated.add(item.name)
            self.named[item.name] = item
        for name in repeated:
            del self.named[name]
        self.unique = list(self.named.values())
        self.blocks = [item for item in self.items if item.shape == "block"]
        self.bowls = [item for item in self.items if item.shape == "bowl"]
        gripper = scene["gripper"]
        self.gripper: Sequence[float] = gripper["position"]
        self.holding: str | None = gripper["holding"]
        self.resting = [item for item in self.unique if item.name != self.holding and item.z < RESTING]

    def of_shape(self, shape: str) -> list[Item]:
        """Visible objects of one shape, or all of them for "any"."""
        return self.items if shape == "any" else [item for item in self.items if item.shape == shape]

    def lies_in(self, block: Item, bowl: Item) -> bool | None:
        """Whether a block lies released in a bowl; None where that is a matter of opinion."""
        distance = hypot(block.x - bowl.x, block.y - bowl.y)
        if distance > OUTSIDE:
            return False
        if block.name == self.holding or block.z >= RESTING or distance >= IN_BOWL:
            return None
        return True

    def bowl_of(self, block: Item) -> Item | None:
        """The bowl that a block lies in, if any."""
        for bowl in self.bowls:
            if self.lies_in(block, bowl):
                return bowl
        return None

    def contents(self, bowl: Item) -> list[Item] | None:
        """The blocks in a bowl; None where one is neither clearly in nor out, or may lie there unseen."""
        if any(hypot(x - bowl.x, y - bowl.y) < OUTSIDE for x, y in self.unseen):
            return None
        inside = []
        for block in self.blocks:
            state = self.lies_in(block, bowl)
            if state is None:
                return None
            if state:
                inside.append(block)
        return inside

    def is_nearer(self, near: Item, far: Item) -> bool:
        """Whether one object is clearly nearer to the camera and further from the robot than another."""
        if near.near - far.near < DEPTH_MARGIN:
            return False
        to_robot = hypot(near.x, near.y) - hypot(far.x, far.y)
        to_camera = hypot(CAMERA_SIDE - near.x, near.y) - hypot(CAMERA_SIDE - far.x, far.y)
        return to_robot > RANGE_MARGIN and to_camera < -RANGE_MARGIN

    def is_done(self, task: str, target: Item, goal: Item | None) -> bool | None:
        """Whether an instruction has been carried out; None where that is not plain to see.

        The margins must agree with the env where the instruction is the episode's own.
        """
        done = self._looks_done(task, target, goal)
        scene = self.scene
        own = (scene.get("task"), scene.get("target"), scene.get("goal"))
        if own == (task, target.name, goal.name if goal else None) and done != scene["is_success"]:
            return None
        return done

    def _looks_done(self, task: str, target: Item, goal: Item | None) -> bool | None:
        if task == "reach":
            x, y, z = self.gripper
            distance = hypot(hypot(x - target.x, y - target.y), z - target.z - BLOCK_TOP)
            return _certain(distance < AT_TOP, distance > AWAY)
        held = self.holding == target.name
        if task == "pick_up":
            return _certain(held and target.z > LIFTED, not held or target.z < RESTING)
        if goal is None:
            raise ValueError(f"task {task!r} has a goal")
        if held:
            return False
        if task == "place_in_bowl":
            return self.lies_in(target, goal)
        distance = hypot(target.x - goal.x, target.y - goal.y)
        return _certain(target.z < RESTING and distance < ON_ZONE, distance > OUTSIDE)


def _certain(true: bool, false: bool) -> bool | None:
    return True if true else False if false else None
