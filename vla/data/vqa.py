"""Questions and captions drawn from a frame's true scene, and the text that the tokenizer learns from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from sim.experts import expert_subgoal
from sim.language import POINT, Question, caption, corpus, questions
from sim.scene import TABLE_RANGE, Scene
from vla.text.frames import frame_instruction, frame_question
from vla.text.prompt import MAX_INSTRUCTION_LENGTH, clean_question, motion_prompt, question_prompt

FRAMED = 0.2
"""Share of the tokenizer's lines that are part of a longer sentence."""

__all__ = [
    "TABLE_RANGE",
    "Question",
    "draw_caption",
    "draw_language",
    "draw_questions",
    "next_place",
    "tokenizer_lines",
]


def draw_language(languages: Mapping[str, float], rng: np.random.Generator) -> str:
    """Draw a language code by weight."""
    names = list(languages)
    cumulative = np.cumsum([languages[name] for name in names])
    return names[int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))]


def draw_questions(
    scene: dict[str, Any],
    rng: np.random.Generator,
    languages: Mapping[str, float],
    count: int,
    families: Sequence[str] | None = None,
) -> list[Question]:
    """Draw up to `count` questions about a scene, all in one language; a repeated family counts twice."""
    return questions(cast(Scene, scene), rng, draw_language(languages, rng), count, families)


def next_place(scene: dict[str, Any]) -> tuple[float, float]:
    """Where the expert of a demonstration's task leads the hand next: (x, y), m, robot base frame."""
    subgoal = expert_subgoal(scene["task"], cast(Scene, scene))
    x, y, _ = subgoal.position if subgoal.destination is None else subgoal.destination
    return float(x), float(y)


def draw_caption(scene: dict[str, Any], rng: np.random.Generator, languages: Mapping[str, float]) -> str:
    """Describe a scene in a drawn language."""
    return caption(cast(Scene, scene), rng, draw_language(languages, rng))


def tokenizer_lines(lines: int, seed: int) -> Iterator[str]:
    """Yield what the simulator can say as the model meets it: in motion prompts, question prompts and bare.

    Args:
        lines: how many.
        seed: of the scenes and words drawn.
    """
    rng = np.random.default_rng(seed)
    for index, line in enumerate(corpus(rng, lines)):
        text = clean_question(line.replace(POINT, " "))
        if rng.random() < FRAMED:
            text = (frame_instruction if index % 3 == 0 else frame_question)(text, rng)
        if index % 3 == 0 and len(text) <= MAX_INSTRUCTION_LENGTH:  # a caption is longer, and no instruction
            yield motion_prompt(text)
        elif index % 3 == 1:
            yield question_prompt(text)
        else:
            yield f" {text}"  # an answer follows its prompt after a space
