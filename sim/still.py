"""Still pictures for questions: arrangements that no task shows, drawn at random and never simulated."""

from dataclasses import dataclass, replace

import numpy as np

from sim.objects import BLOCK_SIZE, BOWL_WALL, SLOTS, ObjectSpec, Shape
from sim.scene import START_HEIGHT, WORKSPACE, Layout, draw_objects, draw_spots

HELD_PROBABILITY = 0.25
HELD_HEIGHT = (
    0.09,
    0.30,
)  # m, of the fingertips: the block clears whatever stands below, lifted enough or not
IN_BOWL_PROBABILITY = 0.4  # of scenes with a bowl
AT_BLOCK_PROBABILITY = 0.15  # that the hand is just at a block
ON_ZONE_PROBABILITY = 0.3  # of scenes with a zone
SUBJECT_PROBABILITY = 0.7  # that the task is about the block to which something has happened
_GRASP_OPENING = 0.497  # so that both fingers touch the block's sides


@dataclass(frozen=True)
class Still:
    """A still picture before it is taken.

    Args:
        layout: the objects, and the target and goal of `task`.
        task: a task that the scene may show as done or not.
        hand: x, y, z of the fingertips in metres.
        opening: of the gripper, 0 closed to 1 open.
    """

    layout: Layout
    task: str
    hand: tuple[float, float, float]
    opening: float


def draw_still(rng: np.random.Generator) -> Still:
    """Draw objects (1 to 4 blocks), the hand, and sometimes a block held, in a bowl or on the zone."""
    counts: dict[Shape, int] = {
        "block": int(rng.integers(1, SLOTS["block"] + 1)),
        "bowl": int(rng.integers(0, SLOTS["bowl"] + 1)),
        "zone": int(rng.integers(0, SLOTS["zone"] + 1)),
    }
    shapes = [shape for shape, count in counts.items() for _ in range(count)]
    objects = draw_objects(rng, draw_spots(rng, shapes))
    (x_low, x_high), (y_low, y_high) = WORKSPACE
    hand = rng.uniform((x_low, y_low, START_HEIGHT[0]), (x_high, y_high, START_HEIGHT[1]))
    opening = float(rng.choice([0.0, 1.0]))
    bowls = [i for i, item in enumerate(objects) if item.shape == "bowl"]
    zones = [i for i, item in enumerate(objects) if item.shape == "zone"]
    subject, goal, task = 0, None, str(rng.choice(["reach", "pick_up"]))
    last = counts["block"] - 1  # another block than the first, if there is one
    if bowls and rng.random() < IN_BOWL_PROBABILITY:
        goal, task = int(rng.choice(bowls)), "place_in_bowl"
        objects[0] = _moved(objects[0], objects[goal], rng, spread=0.012, height=BOWL_WALL + BLOCK_SIZE / 2)
    elif zones and rng.random() < ON_ZONE_PROBABILITY:
        goal, task = zones[0], "push"
        objects[0] = _moved(objects[0], objects[goal], rng, spread=0.025, height=BLOCK_SIZE / 2)
    if rng.random() < HELD_PROBABILITY and (last > 0 or goal is None):
        hand[2] = rng.uniform(*HELD_HEIGHT)
        objects[last] = replace(objects[last], position=tuple(hand.tolist()), yaw=0.0)
        opening = _GRASP_OPENING
        if goal is None:
            subject, task = last, "pick_up"
    elif rng.random() < AT_BLOCK_PROBABILITY:
        block = objects[last].position
        hand = np.array([block[0], block[1], block[2] + rng.uniform(0.0, 0.04)])
        opening = 1.0
        if goal is None:
            subject, task = last, "reach"
    if goal is None and bowls + zones and rng.random() > SUBJECT_PROBABILITY:
        goal = int(rng.choice(bowls + zones))
        task = "place_in_bowl" if goal in bowls else "push"
    elif rng.random() > SUBJECT_PROBABILITY:
        subject = int(rng.integers(counts["block"]))
    order = rng.permutation(len(objects))
    return Still(
        Layout(
            tuple(objects[i] for i in order),
            objects[subject].name,
            None if goal is None else objects[goal].name,
        ),
        task,
        (float(hand[0]), float(hand[1]), float(hand[2])),
        opening,
    )


def _moved(
    block: ObjectSpec, goal: ObjectSpec, rng: np.random.Generator, spread: float, height: float
) -> ObjectSpec:
    """The block at `height` above the table, within `spread` metres of the goal's centre along x and y."""
    x, y = (float(goal.position[i] + rng.uniform(-spread, spread)) for i in range(2))
    return replace(block, position=(x, y, height))
