"""What is plainly true of a scene: the facts that questions and captions are made from.

A fact that a person could dispute (two blocks almost level, a block half over a rim) is neither true nor
false here: the margins below leave it out. "Left" and "right" are those of the front camera's image.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

from sim.language.items import EYE, Item, find_eye, read_item
from sim.objects import BASIC_COLORS, BOWL_HEIGHT, COLORS, SHAPES
from sim.scene import Scene

SIDE_MARGIN = 0.05  # m across the image: wide enough to hold at any depth of the table
COLUMN_MARGIN = 0.012  # the same in the picture of a camera that has moved, as tangent of the angle
DEPTH_MARGIN = 0.04  # m along x
RANGE_MARGIN = 0.02  # m along the line to the robot's base or to the camera
CAMERA_SIDE = 1.0  # m: x of a point below the front camera, in front of the table
IN_BOWL = 0.042  # m between centres: an object nearer than this to a bowl's centre lies in it
OUTSIDE = 0.08  # m between centres: a block further than this is clear of a bowl or zone
OFF_PLATE = 0.10  # m between centres: further than this is clear of a plate or card
ON_FLAT = 0.035  # m between centres: nearer than this is on the plate, card or zone
ON_TOP = 0.010  # m from the underside of one block to the top of another, and by which it may stand aside
BESIDE = 0.06  # m between the middles: further than this is not on top
LOW = 0.04  # m from the table to the underside: lower than this is not lifted
ON_TABLE, ON_PLATE = 0.010, 0.015  # m from the table to the underside of what lies on it, and on a plate
ALOFT = 0.13  # m from the table to the underside: higher than this rests nothing, not even on a tower
SIDE_THIRD = 0.08  # m from the middle line: beyond it lie the left and the right of the table
THIRD_MARGIN = 0.02  # m: no word for objects this close to a border between left, middle and right
# m, by which the hand is nearer to the camera, and aside, of what it may hide.
SHADE_DEPTH, SHADE_WIDTH = 0.04, 0.13
UPRIGHT, LYING = 0.985, 0.35  # cosine of a bottle's tilt: above stands, below lies
OPEN, SHUT = 0.6, 0.1  # of a drawer's joint: above is open, below is closed
PRESSED, RAISED = 0.7, 0.1  # of a button's joint: above is pressed, below is not
WIDE, NARROW = 0.85, 0.15  # of the gripper's opening: above is open, below is closed

MOVABLE = frozenset(name for name, shape in SHAPES.items() if shape.part == "movable")
SURFACES = ("plate", "card", "zone")
FIRST_SHAPES = ("block", "bowl", "zone")  # those of the basic split
FIRST_COLORS = BASIC_COLORS


def is_pulled_out(item: Item) -> bool:
    """Whether an object is a drawer that is not closed, so that it is at two places at once."""
    return item.shape == "drawer" and item.joint > SHUT


def _shift(scene: Scene, key: str) -> tuple[float, ...]:
    return tuple((scene.get("view") or {}).get(key, (0.0, 0.0, 0.0)))


class SceneView:
    """The objects of a scene, and what holds between them.

    Args:
        scene: `info["scene"]` of an env, or the scene of a still picture.

    Attributes:
        all: every object; items: those in sight; hidden: those out of sight; by_name: all by name.
        resting: those in sight that nobody holds and that are not in the air.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.basic = scene.get("split") == "basic"
        eye = find_eye(_shift(scene, "eye_shift"), _shift(scene, "target_shift"))
        self.eye = eye.place
        self.all = [read_item(thing, eye) for thing in scene["objects"]]
        self.by_name = {item.name: item for item in self.all}
        self.items = [item for item in self.all if item.visible]
        self.hidden = [item for item in self.all if not item.visible]
        gripper = scene["gripper"]
        self.hand: Sequence[float] = gripper["position"]
        self.opening: float = gripper["opening"]
        self.holding: str | None = gripper["holding"]
        self.resting = [item for item in self.items if item.name != self.holding and item.bottom < ALOFT]

    @property
    def colors(self) -> tuple[str, ...]:
        """Colours that may be asked about."""
        return FIRST_COLORS if self.basic else tuple(COLORS)

    def is_telling(self, color: str) -> bool:
        """Whether only objects of this colour look so: symbols are black, and a cabinet's wood is brown."""
        looks = {"black": "card", "brown": "drawer"}.get(color)
        return all(item.shape != looks for item in self.all)

    def of_shape(self, shape: str) -> list[Item]:
        """Visible objects of one shape, or all of them for "any"."""
        return self.items if shape == "any" else [item for item in self.items if item.shape == shape]

    def hides(self, shape: str) -> bool:
        """Whether an object of this shape, or any, is out of sight."""
        return any(shape in (item.shape, "any") for item in self.hidden)

    def is_left(self, left: Item, right: Item) -> bool:
        """Whether one object is clearly further left in the image than another."""
        if is_pulled_out(left) or is_pulled_out(right):
            return False
        return left.left - right.left > SIDE_MARGIN and right.column - left.column > COLUMN_MARGIN

    def is_nearer(self, near: Item, far: Item) -> bool:
        """Whether one object is clearly nearer to the camera and further from the robot than another."""
        if near.near - far.near < DEPTH_MARGIN or is_pulled_out(near) or is_pulled_out(far):
            return False
        eye_x, eye_y, _ = self.eye
        below = eye_x - EYE[0] + CAMERA_SIDE
        to_robot = hypot(near.x, near.y) - hypot(far.x, far.y)
        to_camera = hypot(below - near.x, eye_y - near.y) - hypot(below - far.x, eye_y - far.y)
        return to_robot > RANGE_MARGIN and to_camera < -RANGE_MARGIN

    def extremes(self, items: list[Item]) -> list[tuple[str, Item]]:
        """The objects that are clearly leftmost, rightmost, nearest or furthest; none where one is held up.

        Returns:
            Pairs of "left", "right", "near_robot" or "near_camera" and the object.
        """
        if len(items) < 2 or not all(item in self.resting for item in items):
            return []
        found = []
        tests = (
            ("left", self.is_left),
            ("right", lambda a, b: self.is_left(b, a)),
            ("near_camera", self.is_nearer),
            ("near_robot", lambda a, b: self.is_nearer(b, a)),
        )
        for kind, before in tests:
            for item in items:
                if all(other is item or before(item, other) for other in items):
                    found.append((kind, item))
                    break
        return found

    def lies_in(self, item: Item, bowl: Item) -> bool | None:
        """Whether an object lies released in a bowl; None where that is a matter of opinion."""
        distance = hypot(item.x - bowl.x, item.y - bowl.y)
        if distance > OUTSIDE:
            return False
        sunk = item.z < BOWL_HEIGHT + item.half / 2 - 0.002
        if item.name == self.holding or not sunk or distance >= IN_BOWL:
            return None
        return True

    def lies_on(self, item: Item, surface: Item) -> bool | None:
        """Whether an object lies released on a plate, card or zone; None where that could be disputed."""
        distance = hypot(item.x - surface.x, item.y - surface.y)
        if distance > (OUTSIDE if surface.shape == "zone" else OFF_PLATE):
            return False
        low = ON_PLATE if surface.shape == "plate" else ON_TABLE
        if item.name == self.holding or item.bottom >= low or distance >= ON_FLAT:
            return None
        return True

    def is_on(self, upper: Item, lower: Item) -> bool | None:
        """Whether one object stands released on another one on the table or on a third."""
        if self.holding == upper.name:
            return False
        aside = hypot(upper.x - lower.x, upper.y - lower.y)
        height = abs(upper.bottom - lower.z - lower.half)
        if aside < ON_TOP + 0.005 and height < ON_TOP:
            return True
        return False if aside > BESIDE else None

    def stands_on(self, upper: Item, lower: Item) -> bool | None:
        """As `is_on`, but surely not where the upper one is on the table, however near."""
        return False if upper.bottom < ON_TABLE else self.is_on(upper, lower)

    def holds(self, item: Item, container: Item) -> bool | None:
        """Whether an object lies in a bowl or on a plate, card or zone, or stands on a block."""
        if container.shape == "block":
            return self.stands_on(item, container)
        return self.lies_in(item, container) if container.shape == "bowl" else self.lies_on(item, container)

    def bowl_of(self, item: Item) -> Item | None:
        """The bowl that an object lies in, if any."""
        if item.shape in MOVABLE:
            for bowl in self.items:
                if bowl.shape == "bowl" and self.lies_in(item, bowl):
                    return bowl
        return None

    def contents(self, container: Item) -> list[Item] | None:
        """What a bowl, plate, card, zone or block holds; None where one is neither clearly in nor out."""
        if container.shape == "block" and self.holding is not None:
            return None  # what hovers over a block may look as if it stood there
        inside = []
        for item in self.all:
            if item.shape not in MOVABLE or item is container:
                continue
            state = self.holds(item, container)
            if state is None or (state and not item.visible):
                return None
            if state:
                inside.append(item)
        return inside

    def is_behind_hand(self, item: Item) -> bool:
        """Whether the hand, which comes from the robot's side, may hide an object from the camera."""
        hand_x, hand_y, _ = self.hand
        return hand_x - item.x > SHADE_DEPTH and abs(hand_y - item.y) < SHADE_WIDTH

    def is_free(self, item: Item, room: float) -> bool:
        """Whether no other object that could cover it has its centre within `room` m of an object."""
        return not any(
            other is not item and hypot(item.x - other.x, item.y - other.y) < room for other in self.all
        )
