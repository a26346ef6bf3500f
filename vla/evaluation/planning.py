"""A policy that says in words what it does next, before it does it (`vla rollout --plan`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

import numpy as np

from sim.language.vocabulary import vocabulary
from vla.actions.locations import location_text
from vla.evaluation.drivers import CAMERA, PolicyDriver, View
from vla.text.prompt import clean_instruction, language_of
from vla.types import ActionChunk

if TYPE_CHECKING:
    from vla.inference.engine import Engine


class PlanningDriver:
    """A trained policy whose plans are written out: the next step in words, and where the hand moves to.

    The place is what RT-2 calls the plan (arXiv:2307.15818): the actions follow from it. The words are the
    same model's answer to "what comes next?", asked beside it; they do not change what is done.

    Args:
        engine: the policy.
        stream: that plans are written to, a line whenever the words change.
    """

    def __init__(self, engine: Engine, stream: TextIO) -> None:
        self._engine, self._stream = engine, stream
        self._policy = PolicyDriver(engine)
        self._said: dict[int, str] = {}

    def decide(self, views: Sequence[View]) -> list[ActionChunk]:
        """Ask the policy, and write what it plans."""
        chunks = self._policy.decide(views)
        questions = []
        for view in views:
            instruction = view.observation.instruction
            template = vocabulary(language_of(instruction)).questions["next_step"][0]
            questions.append(template.format(instruction=clean_instruction(instruction)))
        pictures = np.stack([view.observation.pixels[CAMERA] for view in views])
        for view, chunk, answer in zip(views, chunks, self._engine.ask(pictures, questions), strict=True):
            if self._said.get(view.seed) != answer.text:
                self._said[view.seed] = answer.text
                place = "" if chunk.plan is None else f" ({location_text(chunk.plan)})"
                self._stream.write(f"seed {view.seed}, step {view.step}: Plan: {answer.text}{place}\n")
        return chunks
