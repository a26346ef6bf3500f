"""A policy that says in words what it does next, before it does it (`vla rollout --plan`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

import numpy as np

from sim.language.vocabulary import vocabulary
from vla.actions.locations import location_text
from vla.errors import InstructionError
from vla.evaluation.drivers import CAMERA, View
from vla.text.prompt import clean_instruction, language_of
from vla.types import ActionChunk

if TYPE_CHECKING:
    from vla.inference.engine import Engine


class PlanningDriver:
    """A trained policy that plans in words: it is asked what comes next, and told that with the instruction.

    RT-2's chain of thought (arXiv:2307.15818), in two questions to the same model. A policy that has not
    learned to heed a step (`VLAConfig.heeds_steps`) is not told it.

    Args:
        engine: the policy.
        stream: that plans are written to, if any, a line whenever the words change.
    """

    def __init__(self, engine: Engine, stream: TextIO | None = None) -> None:
        self._engine, self._stream = engine, stream
        self._said: dict[int, str] = {}

    def decide(self, views: Sequence[View]) -> list[ActionChunk]:
        """Ask the policy for the next step, then for the actions."""
        pictures = np.stack([view.observation.pixels[CAMERA] for view in views])
        asked = [_question(view.observation.instruction) for view in views]
        answers = [answer.text for answer in self._engine.ask(pictures, asked)]
        said = zip(answers, views, strict=True)
        steps = [answer if _is_step(answer, view.observation.instruction) else None for answer, view in said]
        heeded = steps if self._engine.config.heeds_steps else None
        chunks = self._engine.decide([view.observation for view in views], heeded)
        if self._stream is not None:
            for view, chunk, answer in zip(views, chunks, answers, strict=True):
                if self._said.get(view.seed) != answer:
                    self._said[view.seed] = answer
                    place = "" if chunk.plan is None else f" ({location_text(chunk.plan)})"
                    self._stream.write(f"seed {view.seed}, step {view.step}: Plan: {answer}{place}\n")
        return chunks


def _question(instruction: str) -> str:
    template = vocabulary(language_of(instruction)).questions["next_step"][0]
    return template.format(instruction=clean_instruction(instruction))


def _is_step(answer: str, instruction: str) -> bool:
    """Whether an answer is something to be done, in words that an instruction may have."""
    words = vocabulary(language_of(instruction))
    try:
        return clean_instruction(answer) not in (words.steps["nothing"], words.replies["unknown"])
    except InstructionError:
        return False
