"""Questions and captions drawn from a frame's true scene, and the text that the tokenizer learns from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from sim.experts import expert_action, expert_subgoal
from sim.language import POINT, Question, caption, corpus, counterfactual, own_step, questions
from sim.plugins import plugin_files
from sim.scene import TABLE_RANGE, Scene
from vla.text.frames import frame_instruction, frame_question
from vla.text.prompt import (
    MAX_INSTRUCTION_LENGTH,
    clean_question,
    language_of,
    motion_prompt,
    question_prompt,
)

FRAMED = 0.2
"""Share of the tokenizer's lines that are part of a longer sentence."""

__all__ = [
    "TABLE_RANGE",
    "Question",
    "draw_caption",
    "draw_counterfactual",
    "draw_language",
    "draw_questions",
    "next_action",
    "next_place",
    "next_step",
    "plugin_files",
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


def draw_counterfactual(
    scene: dict[str, Any], rng: np.random.Generator, languages: Mapping[str, float]
) -> tuple[dict[str, Any], str] | None:
    """Draw another instruction for a scene: the scene with that task in it, and the instruction."""
    drawn = counterfactual(cast(Scene, scene), draw_language(languages, rng), rng)
    return None if drawn is None else (cast(dict[str, Any], drawn[0]), drawn[1])


def next_place(scene: dict[str, Any]) -> tuple[float, float]:
    """Where the expert of a demonstration's task leads the hand next: (x, y), m, robot base frame."""
    subgoal = expert_subgoal(scene["task"], cast(Scene, scene))
    x, y, _ = subgoal.position if subgoal.destination is None else subgoal.destination
    return float(x), float(y)


def next_step(scene: dict[str, Any], instruction: str) -> str | None:
    """What comes next of a scene's task, in the language of its instruction; None where it is not plain."""
    return own_step(cast(Scene, scene), language_of(instruction))


def next_action(scene: dict[str, Any]) -> np.ndarray:
    """What the expert of a scene's task does next: float32[7], dx dy dz, droll dpitch dyaw, gripper."""
    return expert_action(scene["task"], cast(Scene, scene))


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
