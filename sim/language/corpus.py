"""Text of everything that is read and written here, for the tokenizer to learn its words from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim.language.captions import caption
from sim.language.instructions import GOAL_SHAPE, instruction
from sim.language.questions import questions
from sim.language.vocabulary import LANGUAGES, pick
from sim.objects import COLORS, SLOTS
from sim.scene import TABLE_RANGE, GripperState, Scene, SceneObject

HELD = 0.3  # share of scenes in which the gripper holds a block


def corpus(rng: np.random.Generator, lines: int) -> Iterator[str]:
    """Yield lines of instructions, questions, answers and captions, half English and half Japanese.

    Nothing is rendered and no physics runs: the scenes are drawn here, with objects anywhere on the table.

    Args:
        rng: source of every draw.
        lines: how many lines.
    """
    colors = tuple(COLORS)
    written = 0
    while written < lines:
        language = pick(rng, LANGUAGES)
        scene = _draw_scene(rng)
        task = pick(rng, tuple(GOAL_SHAPE))
        goal = pick(rng, colors) if GOAL_SHAPE[task] else None
        found = questions(scene, rng, language, n=2)
        drawn = [instruction(task, pick(rng, colors), goal, language, rng), caption(scene, rng, language)]
        drawn += [question.question for question in found]
        drawn += [question.answer for question in found if question.answer]
        yield from drawn[: lines - written]
        written += len(drawn)


def _draw_scene(rng: np.random.Generator) -> Scene:
    """A scene with any number of objects that the world has bodies for, and sometimes a block held."""
    (x_low, x_high), (y_low, y_high) = TABLE_RANGE
    objects: list[SceneObject] = []
    for shape, most in SLOTS.items():
        for color in rng.permutation(list(COLORS))[: rng.integers(0, most + 1)].tolist():
            place = [float(rng.uniform(x_low, x_high)), float(rng.uniform(y_low, y_high)), 0.0]
            objects.append(
                {
                    "name": f"{color} {shape}",
                    "shape": shape,
                    "color": color,
                    "position": place,
                    "visible": True,
                }
            )
    holding = None
    position = [0.5, 0.0, 0.25]
    if rng.random() < HELD and objects and objects[0]["shape"] == "block":
        holding = objects[0]["name"]
        objects[0]["position"] = position
    gripper: GripperState = {"position": position, "opening": 0.5, "holding": holding}
    return {
        "task": "",
        "instruction": "",
        "target": "",
        "goal": None,
        "is_success": False,
        "objects": objects,
        "gripper": gripper,
    }
