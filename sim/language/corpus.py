"""Text of everything that is read and written here, for the tokenizer to learn its words from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim.language.captions import caption, description
from sim.language.infeasible import infeasible_instruction
from sim.language.instructions import write_instruction
from sim.language.naming import Naming
from sim.language.progress import TASKS, draw_parts
from sim.language.questions import questions
from sim.language.truth import SceneView
from sim.language.vocabulary import LANGUAGES, pick, vocabulary
from sim.scene import Scene
from sim.still import still_scene
from sim.variations import SPLITS, slots

QUESTIONS = 3  # a scene
INSTRUCTIONS = 5  # a scene, at most
SPLIT = "seen"


def corpus(rng: np.random.Generator, lines: int) -> Iterator[str]:
    """Yield instructions, questions, answers, captions and descriptions, half English, half Japanese.

    Nothing is rendered and no physics runs: every object counts as visible.

    Args:
        rng: source of every draw.
        lines: how many lines.
    """
    written = 0
    available = slots(SPLITS[SPLIT])
    while written < lines:
        language = pick(rng, LANGUAGES)
        scene = still_scene(rng, SPLIT, available)
        found = questions(scene, rng, language, QUESTIONS)
        drawn = _instructions(scene, language, rng)
        drawn += [caption(scene, rng, language), description(scene, rng, language)]
        drawn += [question.question for question in found]
        drawn += [question.answer for question in found if question.answer]
        yield from drawn[: lines - written]
        written += len(drawn)


def _instructions(scene: Scene, language: str, rng: np.random.Generator) -> list[str]:
    """Instructions about a scene, one of them infeasible."""
    words = vocabulary(language)
    view = SceneView(scene)
    naming = Naming(view, words)
    drawn = [infeasible_instruction(scene, language, rng)]
    for task in rng.permutation(TASKS).tolist():
        parts = draw_parts(view, task, rng)
        if parts:
            drawn.append(write_instruction(task, parts, words, naming, rng))
        if len(drawn) == INSTRUCTIONS:
            break
    return drawn
