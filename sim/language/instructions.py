"""Draw the sentence that tells the robot what to do."""

from __future__ import annotations

import numpy as np

from sim.errors import SimError, unknown_name
from sim.language.vocabulary import Vocabulary, pick, vocabulary

GOAL_SHAPE = {"reach": None, "push": "zone", "pick_up": None, "place_in_bowl": "bowl"}


def instruction(
    task: str,
    target: str,
    goal: str | None,
    language: str,
    rng: np.random.Generator,
    *,
    held_out: bool = False,
) -> str:
    """Draw an instruction, such as "pick the red cube up" or "赤いブロックを持ち上げて".

    The template is drawn without looking at the colours.

    Args:
        task: "reach", "push", "pick_up" or "place_in_bowl".
        target: colour of the block to handle.
        goal: colour of the zone (push) or bowl (place_in_bowl); None for the other tasks.
        language: "en" or "ja".
        rng: source of every draw.
        held_out: draw from the phrasings that are kept out of all training text, to measure new wordings.
    Returns:
        Lower-case text without a final full stop.
    Raises:
        SimError: unknown task, colour or language, or a goal missing or given where the task has none.
    """
    words = vocabulary(language)
    if task not in GOAL_SHAPE:
        raise unknown_name("task", task, GOAL_SHAPE)
    goal_shape = GOAL_SHAPE[task]
    if (goal_shape is None) != (goal is None):
        wanted = f"needs the colour of a {goal_shape} as goal" if goal_shape else "takes no goal: pass None"
        raise SimError(f"task {task!r} {wanted}, got {goal!r}")
    templates = (words.held_out if held_out else words.instructions)[task]
    template = pick(rng, templates)
    target_phrase = _phrase(words, rng, "block", target)
    if goal_shape is None or goal is None:
        return template.format(target=target_phrase)
    return template.format(target=target_phrase, goal=_phrase(words, rng, goal_shape, goal))


def _phrase(words: Vocabulary, rng: np.random.Generator, shape: str, color: str) -> str:
    if color not in words.adjectives:
        raise unknown_name("colour", color, words.adjectives)
    return words.phrase(rng, shape, color)
