"""What can stand on the table: shapes and measures, colours, sizes, and what is kept out of training."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, sin
from typing import Literal

Part = Literal["movable", "container", "flat", "fixture"]

SIZES: dict[str, float] = {"small": 0.75, "medium": 1.0, "large": 1.25}  # times the measures below
ANY_SIZE: tuple[str, ...] = ("small", "medium", "large")
ONE_SIZE: tuple[str, ...] = ("medium",)


@dataclass(frozen=True)
class Shape:
    """A kind of object. Lengths in metres, at size medium.

    Args:
        part: movable (can be grasped), container (stands still), flat (painted on the table) or fixture
            (stands still and has a joint).
        width: across, along the way that the fingers open.
        height: of the body.
        clearance: room around its centre that no other object's clearance may enter.
        sizes: in which it comes.
    """

    part: Part
    width: float
    height: float
    clearance: float
    sizes: tuple[str, ...] = ONE_SIZE


BLOCK_SIZE = 0.04
BOWL_RADIUS = 0.065  # outer, at the rim
BOWL_FOOT_RADIUS = 0.045
BOWL_HEIGHT = 0.035
BOWL_WALL = 0.006
PLATE_RADIUS = 0.065
PLATE_HEIGHT = 0.014  # of the rim
PLATE_THICKNESS = 0.005
ZONE_SIZE = 0.12
CARD_SIZE = 0.10
BOTTLE_HEIGHT = 0.10
BOTTLE_STOPPER = 0.012  # radius of its round stopper
# A drawer slides along its cabinet's y; sim/assets/drawer.urdf and button.urdf have the same numbers.
DRAWER_TRAVEL = 0.12
DRAWER_INSIDE = (0.05, 0.042)  # half the space inside along x and y; its middle is the cabinet's when closed
DRAWER_FLOOR = 0.01
DRAWER_WALL_HEIGHT = 0.037
DRAWER_HANDLE = (0.062, 0.085)  # y of its middle in the cabinet's frame, when closed, and height of its top
BUTTON_HEIGHT = 0.038

# The fingers, open 8 cm and 1.2 cm thick each, fit between two neighbours.
SHAPES: dict[str, Shape] = {
    "block": Shape("movable", BLOCK_SIZE, BLOCK_SIZE, 0.045, ANY_SIZE),
    "cylinder": Shape("movable", 0.04, 0.05, 0.045, ANY_SIZE),
    "ball": Shape("movable", 0.04, 0.04, 0.045, ANY_SIZE),
    "bottle": Shape("movable", 0.04, BOTTLE_HEIGHT, 0.05),
    "ring": Shape("movable", 0.06, 0.02, 0.05),
    "hexagon": Shape("movable", 0.045, 0.035, 0.048),
    "wedge": Shape("movable", 0.045, 0.035, 0.048),
    "cross": Shape("movable", 0.048, 0.035, 0.048),
    "tee": Shape("movable", 0.048, 0.035, 0.048),
    "bowl": Shape("container", 2 * BOWL_RADIUS, BOWL_HEIGHT, 0.085),
    "plate": Shape("container", 2 * PLATE_RADIUS, PLATE_HEIGHT, 0.085),
    "zone": Shape("flat", ZONE_SIZE, 0.0, 0.065),
    "card": Shape("flat", CARD_SIZE, 0.0, 0.065),
    "drawer": Shape("fixture", 0.13, 0.051, 0.12),
    "button": Shape("fixture", 0.07, BUTTON_HEIGHT, 0.065),
}

MOVABLE = ("block", "cylinder", "ball", "bottle", "ring")
UNSEEN_EASY = ("hexagon", "wedge")
"""Shapes that stand in pictures for questions and captions, and in no demonstration."""
UNSEEN_HARD = ("cross", "tee")
"""Shapes that no training data hold; they have no word of their own."""

# Red, green, blue, alpha. Chosen apart under the renderer's light: orange sits midway between red and yellow.
COLORS: dict[str, tuple[float, float, float, float]] = {
    "red": (0.85, 0.06, 0.08, 1.0),
    "green": (0.10, 0.62, 0.15, 1.0),
    "blue": (0.08, 0.25, 0.90, 1.0),
    "yellow": (0.98, 0.88, 0.08, 1.0),
    "purple": (0.52, 0.12, 0.68, 1.0),
    "orange": (1.00, 0.48, 0.02, 1.0),
    "pink": (1.00, 0.55, 0.75, 1.0),
    "cyan": (0.15, 0.80, 0.92, 1.0),
    "brown": (0.42, 0.22, 0.08, 1.0),
    "black": (0.07, 0.07, 0.08, 1.0),
}
BASIC_COLORS = tuple(COLORS)[:6]
CARD_COLOR = "white"
"""Of every card. Not in COLORS: no instruction tells cards apart by it."""

HELD_OUT_PAIRS: frozenset[tuple[str, str]] = frozenset(
    {
        ("pink", "block"),
        ("brown", "block"),
        ("orange", "cylinder"),
        ("black", "cylinder"),
        ("purple", "ball"),
        ("yellow", "ball"),
        ("green", "bottle"),
        ("blue", "ring"),
        ("cyan", "bowl"),
        ("red", "plate"),
        ("purple", "drawer"),
        ("yellow", "button"),
    }
)
"""(colour, shape) that stand in no training picture, though each colour and each shape does."""


@dataclass(frozen=True)
class ObjectSpec:
    """One object of a scene, before the robot touches it.

    Args:
        shape: a key of SHAPES.
        color: a key of COLORS, or CARD_COLOR.
        position: x, y, z in m in the robot base frame: the middle of a movable, the foot of anything else.
        orientation: quaternion, xyzw.
        size: a key of SIZES.
        symbol: on a card, one of `sim.symbols.SYMBOLS`.
        joint: of a fixture, 0 to 1: how far a drawer is open, how far a button is pressed.
    """

    shape: str
    color: str
    position: tuple[float, float, float]
    orientation: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)
    size: str = "medium"
    symbol: str | None = None
    joint: float | None = None

    @property
    def name(self) -> str:
        """What tells it apart: "red block", "small blue ball", "star card"."""
        if self.symbol is not None:
            return f"{self.symbol} {self.shape}"
        return (
            f"{self.color} {self.shape}"
            if self.size == "medium"
            else f"{self.size} {self.color} {self.shape}"
        )


def width_of(shape: str, size: str) -> float:
    """Across, along the way that the fingers open, m."""
    return SHAPES[shape].width * SIZES[size]


def height_of(shape: str, size: str) -> float:
    """Of the body, m."""
    return SHAPES[shape].height * SIZES[size]


def upright(yaw: float) -> tuple[float, float, float, float]:
    """Quaternion (xyzw) of a turn about the vertical, in radians."""
    return (0.0, 0.0, sin(yaw / 2), cos(yaw / 2))


def axis_of(orientation: Sequence[float]) -> tuple[float, float, float]:
    """Unit vector from an object's foot to its top, of its orientation (quaternion xyzw)."""
    x, y, z, w = orientation
    return (2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y))


def grip_width_of(shape: str, size: str) -> float:
    """Between the fingers that hold an object upright, m: a bottle is held by its stopper."""
    return 2 * BOTTLE_STOPPER if shape == "bottle" else width_of(shape, size)
