"""What tasks ask of a scene: how objects lie, stand on each other and in each other."""

import math

from sim.objects import (
    BOWL_FOOT_RADIUS,
    BOWL_HEIGHT,
    CARD_SIZE,
    PLATE_RADIUS,
    PLATE_THICKNESS,
    axis_of,
    height_of,
    width_of,
)
from sim.scene import Scene, SceneObject

REST_MARGIN = 0.012  # m, by which what lies on something may be higher than it should
NEAR_DISTANCE = 0.12  # m, between the middles of two objects that are near each other
FALLEN_RAD, UPRIGHT_RAD = 1.0, 0.2  # tilt above which an object has fallen, and below which it stands


def across(first: SceneObject, second: SceneObject) -> float:
    """Distance in m between two objects along the table."""
    return math.dist(first["position"][:2], second["position"][:2])


def half_height(item: SceneObject) -> float:
    """Half the height in m of an upright object."""
    return height_of(item["shape"], item["size"]) / 2


def tilt(item: SceneObject) -> float:
    """Angle in radians between an object's axis and the vertical."""
    _, _, up = axis_of(item["orientation"])
    return math.acos(max(-1.0, min(1.0, up)))


def is_released(scene: Scene, item: SceneObject) -> bool:
    """Whether the gripper does not hold an object."""
    return scene["gripper"]["holding"] != item["name"]


def is_on_table(item: SceneObject) -> bool:
    """Whether an object lies no higher than it would on the table."""
    return item["position"][2] < half_height(item) + REST_MARGIN


def is_inside_bowl(item: SceneObject, bowl: SceneObject) -> bool:
    """Whether an object lies in a bowl: its middle above the bowl's floor, and low."""
    return across(item, bowl) < BOWL_FOOT_RADIUS and item["position"][2] < BOWL_HEIGHT + half_height(item) / 2


def is_on_plate(item: SceneObject, plate: SceneObject) -> bool:
    """Whether an object lies on a plate: its middle within the plate, and low."""
    low = item["position"][2] < PLATE_THICKNESS + half_height(item) + REST_MARGIN
    return across(item, plate) < PLATE_RADIUS - 0.01 and low


def is_on_card(item: SceneObject, card: SceneObject) -> bool:
    """Whether an object lies on a card: its middle within the card."""
    return across(item, card) < CARD_SIZE / 2 and is_on_table(item)


def is_on_top(upper: SceneObject, lower: SceneObject) -> bool:
    """Whether an object stands on another: its middle above the other's top, at the right height."""
    gap = upper["position"][2] - lower["position"][2] - half_height(upper) - half_height(lower)
    return abs(gap) < REST_MARGIN and across(upper, lower) < width_of(lower["shape"], lower["size"]) / 2


def is_beside(first: SceneObject, second: SceneObject, gap: float) -> bool:
    """Whether two objects on the table are no further than `gap` m apart, side to side."""
    reach = (width_of(first["shape"], first["size"]) + width_of(second["shape"], second["size"])) / 2
    return across(first, second) < reach + gap and is_on_table(first) and is_on_table(second)
