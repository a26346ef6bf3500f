"""Still pictures for questions: arrangements that no task shows, drawn at random and never simulated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sim.layout import Kind, Stock, draw_kind, draw_specs, draw_spots
from sim.objects import BOWL_WALL, PLATE_THICKNESS, SHAPES, UNSEEN_EASY, ObjectSpec, height_of, width_of
from sim.scene import START_HEIGHT, WORKSPACE, Layout, Scene, SceneObject
from sim.symbols import SYMBOLS
from sim.variations import Split, find_split
from sim.view import View

HELD_PROBABILITY = 0.25
HELD_HEIGHT = (
    0.09,
    0.30,
)  # m, of the fingertips: what is held clears what stands below, lifted enough or not
PUT_PROBABILITY = 0.4  # of scenes with somewhere to put a thing: that one lies there
AT_OBJECT_PROBABILITY = 0.15  # that the hand is just at an object
OTHERS = {"drawer": 0.15, "button": 0.15, "bowl": 0.4, "plate": 0.3, "zone": 0.3}  # share of pictures
SUBJECT_PROBABILITY = 0.7  # that the task is about the object to which something has happened
FINGER_GAP = 0.001  # m, by which the fingers would overlap what they hold: so both touch it
OPEN_WIDTH = 0.08  # m, between the open fingers


@dataclass(frozen=True)
class Still:
    """A still picture before it is taken.

    Args:
        layout: the objects, and the target and goal of `task`.
        task: a task that the scene may show as done or not.
        hand: x, y, z of the fingertips in metres.
        opening: of the gripper, 0 closed to 1 open.
        held: name of the object in it.
    """

    layout: Layout
    task: str
    hand: tuple[float, float, float]
    opening: float
    held: str | None


PUT_TASKS = {"bowl": "place_in_bowl", "plate": "place_on_plate", "card": "place_on_card", "zone": "push"}


def draw_still(rng: np.random.Generator, split: Split, slots: Mapping[tuple[str, str], int]) -> Still:
    """Draw objects (1 to 4 movable), the hand, and sometimes an object held or put somewhere."""
    kinds = _draw_kinds(rng, split, slots)
    spots, _ = draw_spots(rng, kinds)
    # Pictures for questions show every symbol, also those that no demonstration names.
    objects = draw_specs(rng, spots, replace(split, symbols=SYMBOLS))
    objects = [
        replace(item, joint=float(rng.integers(2))) if item.joint is not None else item for item in objects
    ]
    movable = [i for i, item in enumerate(objects) if SHAPES[item.shape].part == "movable"]
    places = [i for i, item in enumerate(objects) if item.shape in PUT_TASKS]
    (x_low, x_high), (y_low, y_high) = WORKSPACE
    hand = rng.uniform((x_low, y_low, START_HEIGHT[0]), (x_high, y_high, START_HEIGHT[1]))
    opening = float(rng.choice([0.0, 1.0]))
    subject, goal, task = movable[0], None, str(rng.choice(["reach", "pick_up"]))
    held = None
    last = movable[-1]  # another object than the first, if there is one
    if places and rng.random() < PUT_PROBABILITY:
        goal = int(rng.choice(places))
        if _can_be_put(objects[subject], objects[goal]):
            objects[subject] = put(objects[subject], objects[goal], rng)
        task = PUT_TASKS[objects[goal].shape]
    if rng.random() < HELD_PROBABILITY and (last != subject or goal is None):
        hand[2] = rng.uniform(*HELD_HEIGHT)
        held = objects[last]
        objects[last] = replace(held, position=tuple(hand.tolist()), orientation=(0.0, 0.0, 0.0, 1.0))
        opening = (width_of(held.shape, held.size) - FINGER_GAP) / OPEN_WIDTH
        if goal is None:
            subject, task = last, "pick_up"
    elif rng.random() < AT_OBJECT_PROBABILITY:
        x, y, z = objects[last].position
        top = z + height_of(objects[last].shape, objects[last].size) / 2
        hand = np.array([x, y, top + rng.uniform(-0.02, 0.02)])
        opening = 1.0
        if goal is None:
            subject, task = last, "reach"
    if goal is None and places and rng.random() > SUBJECT_PROBABILITY:
        goal = int(rng.choice(places))
        task = PUT_TASKS[objects[goal].shape]
    elif rng.random() > SUBJECT_PROBABILITY:
        subject = int(rng.choice(movable))
    order = rng.permutation(len(objects))
    layout = Layout(
        tuple(objects[i] for i in order),
        objects[subject].name,
        None if goal is None else objects[goal].name,
    )
    place = (float(hand[0]), float(hand[1]), float(hand[2]))
    return Still(layout, task, place, opening, held.name if held else None)


def still_scene(rng: np.random.Generator, split: str, slots: Mapping[tuple[str, str], int]) -> Scene:
    """The truth about a still picture, without an engine: every object is taken for visible."""
    still = draw_still(rng, find_split(split), slots)
    objects: list[SceneObject] = [
        {
            "name": spec.name,
            "shape": spec.shape,
            "color": spec.color,
            "size": spec.size,
            "symbol": spec.symbol,
            "position": [float(value) for value in spec.position],
            "orientation": list(spec.orientation),
            "joint": spec.joint,
            "visible": True,
        }
        for spec in still.layout.objects
    ]
    return {
        "task": still.task,
        "split": split,
        "instruction": "",
        "feasible": True,
        "is_success": False,
        "target": still.layout.target,
        "goal": still.layout.goal,
        "third": None,
        "marks": {},
        "objects": objects,
        "gripper": {
            "position": list(still.hand),
            "opening": still.opening,
            "holding": still.held,
            "joints": [],
            "tilt": [0.0, 0.0, 0.0],
        },
        "view": View().as_dict(),
    }


def _draw_kinds(
    rng: np.random.Generator, split: Split, slots: Mapping[tuple[str, str], int]
) -> Sequence[Kind]:
    """Draw which objects stand there; among the movable ones also those that no demonstration has."""
    stock = Stock(slots)
    shapes = split.movable if split.plain else (*split.movable, *UNSEEN_EASY)
    kinds: list[Kind] = []

    def add(kind: Kind) -> None:
        if stock.has(kind):
            stock.take(kind)
            kinds.append(kind)

    wanted = int(rng.integers(1, 5))
    while len(kinds) < wanted:
        add(draw_kind(rng, split, shapes))
    if split.plain:
        others = ["bowl"] * int(rng.integers(0, 3)) + ["zone"] * int(rng.integers(0, 2))
    else:
        others = [shape for shape, share in OTHERS.items() if rng.random() < share]
        others += ["card"] * int(rng.choice([0, 0, 1, 2]))
    for shape in others:
        add(Kind(shape))
    return kinds


def _can_be_put(item: ObjectSpec, goal: ObjectSpec) -> bool:
    """Whether an object lies steadily in or on a goal."""
    return goal.shape in ("zone", "card") or item.shape not in ("bottle", "ring")


def put(item: ObjectSpec, goal: ObjectSpec, rng: np.random.Generator) -> ObjectSpec:
    """The object on or in the goal, near its middle."""
    floor, spread = {"bowl": (BOWL_WALL, 0.012), "plate": (PLATE_THICKNESS, 0.02)}.get(
        goal.shape, (0.0, 0.025)
    )
    x, y = (float(goal.position[i] + rng.uniform(-spread, spread)) for i in range(2))
    return replace(item, position=(x, y, floor + height_of(item.shape, item.size) / 2))
