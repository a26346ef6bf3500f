"""The truth about the world at one moment as plain JSON data, and a scene before the robot moves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from sim.errors import SimError
from sim.objects import COLORS, SHAPES, SIZES, ObjectSpec
from sim.symbols import SYMBOLS
from sim.view import View

# Objects are put here, within reach and in view: m in the robot base frame, x ahead of it, y to its left.
WORKSPACE = ((0.35, 0.65), (-0.25, 0.25))
# Place answers are written on this scale (m, x then y): the workspace and room for what is pushed or carried.
TABLE_RANGE = ((0.30, 0.70), (-0.30, 0.30))
START_HEIGHT = (0.12, 0.30)  # m, fingertips above the table when an episode starts


class SceneObject(TypedDict):
    """An object as it is now; its fields are those of `ObjectSpec`.

    `visible`: whether the first camera sees enough of it; true where there is no camera.
    """

    name: str
    shape: str
    color: str
    size: str
    symbol: str | None
    position: list[float]
    orientation: list[float]
    joint: float | None
    visible: bool


class GripperState(TypedDict):
    """The gripper as it is now.

    `position` in m, `opening` 0 closed to 1 open, `holding` an object's name, `joints` of the arm (rad) and
    the two fingers (m), `tilt` the commanded roll, pitch and yaw of the hand (rad).
    """

    position: list[float]
    opening: float
    holding: str | None
    joints: list[float]
    tilt: list[float]


class Scene(TypedDict):
    """The truth about the world at one moment, and about the task in it.

    `target`, `goal` and `third` are names of the objects that play these parts; `marks` holds the places
    (name -> x, y in m) that a task remembers from the start; `view` is `sim.view.View` as JSON data.
    """

    task: str
    split: str
    instruction: str
    feasible: bool
    is_success: bool
    target: str
    goal: str | None
    third: str | None
    marks: dict[str, list[float]]
    objects: list[SceneObject]
    gripper: GripperState
    view: dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """A scene before the robot moves.

    Args:
        objects: in an order that says nothing about their parts in the task.
        target, goal, third: names of the objects in the parts that the task has.
        marks: places (name -> x, y in m) that the task remembers.
        resampled: how many draws were thrown away because they could not be laid out or solved.
    """

    objects: tuple[ObjectSpec, ...]
    target: str
    goal: str | None = None
    third: str | None = None
    marks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    resampled: int = 0


@dataclass(frozen=True)
class Hand:
    """The arm at rest.

    Args:
        joints: of the arm (7, rad) and the two fingers (m).
        tilt: commanded roll, pitch and yaw of the hand, rad.
    """

    joints: tuple[float, ...]
    tilt: tuple[float, ...]


def find(scene: Scene, name: str | None) -> SceneObject:
    """The object of that name."""
    return next(item for item in scene["objects"] if item["name"] == name)


def layout_from_scene(scene: Mapping[str, Any]) -> tuple[Layout, View, Hand]:
    """Read a scene back, as `info["scene"]` gave it or as a person wrote it.

    Raises:
        SimError: a key is missing, or a value is not one that this world has.
    """
    try:
        objects = tuple(_spec(item) for item in scene["objects"])
        names = [spec.name for spec in objects]
        if len(set(names)) < len(names):
            raise SimError(f"scene: two objects have the same name; it has {', '.join(sorted(names))}")
        parts = {part: scene.get(part) for part in ("target", "goal", "third")}
        for part, name in parts.items():
            if name not in names and not (name is None and part != "target"):
                raise SimError(f"scene: its {part} is {name!r}; it has {', '.join(names)}")
        marks = {name: (float(x), float(y)) for name, (x, y) in scene.get("marks", {}).items()}
        joints, tilt = (tuple(map(float, scene["gripper"][key])) for key in ("joints", "tilt"))
        if (len(joints), len(tilt)) != (9, 3):
            raise SimError(f"scene: {len(joints)} joints and {len(tilt)} angles; the gripper has 9 and 3")
        layout = Layout(objects, marks=marks, **parts)  # type: ignore[arg-type]
        return layout, View.from_dict(scene["view"]), Hand(joints, tilt)
    except KeyError as error:
        raise SimError(f"scene: key {error} is missing; give what info['scene'] holds") from error
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, SimError):
            raise
        raise SimError(f"scene cannot be read: {error}; give what info['scene'] holds") from error


def _spec(item: Mapping[str, Any]) -> ObjectSpec:
    for key, allowed in (("shape", SHAPES), ("size", SIZES)):
        if item[key] not in allowed:
            raise SimError(f"scene: {key} {item[key]!r}; allowed: {', '.join(allowed)}")
    if (item["symbol"] is None and item["color"] not in COLORS) or item["symbol"] not in (None, *SYMBOLS):
        raise SimError(f"scene: colour {item['color']!r} or symbol {item['symbol']!r} is not of this world")
    x, y, z = map(float, item["position"])
    qx, qy, qz, qw = map(float, item["orientation"])
    joint = None if item["joint"] is None else float(item["joint"])
    return ObjectSpec(
        item["shape"], item["color"], (x, y, z), (qx, qy, qz, qw), item["size"], item["symbol"], joint
    )
