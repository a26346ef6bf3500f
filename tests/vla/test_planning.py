"""A policy that is asked for its next step and told it: what is asked, what is passed on, what is written."""

import io
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from vla.evaluation.drivers import View
from vla.evaluation.planning import PlanningDriver
from vla.types import ActionChunk, Answer, Observation

CHUNK = ActionChunk(np.zeros((2, 7), np.float32), np.zeros(2, bool), np.ones((2, 8), np.float32), (0.5, 0.1))
VIEWS = [
    View(Observation({"front": np.zeros((32, 32, 3), np.uint8)}, np.zeros(7, np.float32), text), {}, seed, 4)
    for seed, text in (
        (7, "Stack the red block on the blue block."),
        (8, "赤いブロックを青いブロックの上に積んで"),
    )
]


class Recorded:
    """Stands for an engine: answers what it is told to, and notes what it is asked."""

    def __init__(self, answers: list[str], heeds_steps: bool) -> None:
        self.config = SimpleNamespace(heeds_steps=heeds_steps)
        self.answers, self.asked, self.heeded = answers, [], []  # type: ignore[var-annotated]

    def ask(self, images: np.ndarray, questions: list[str]) -> list[Answer]:
        self.asked.append((images.shape, questions))
        return [Answer(text, 1.0, None, (), np.ones(1, np.float32)) for text in self.answers]

    def decide(self, observations: list[Observation], steps: Any) -> list[ActionChunk]:
        self.heeded.append(steps)
        return [CHUNK for _ in observations]


def test_the_answer_is_heeded_and_written_when_it_changes() -> None:
    engine, stream = Recorded(["pick up the red block", "なし"], heeds_steps=True), io.StringIO()
    driver = PlanningDriver(cast(Any, engine), stream)
    assert driver.decide(VIEWS) == driver.decide(VIEWS) == [CHUNK, CHUNK]
    (shape, questions), _ = engine.asked
    assert shape == (2, 32, 32, 3)
    assert questions[0] == "what must the robot do next to do this: stack the red block on the blue block?"
    assert "赤いブロックを青いブロックの上に積んで" in questions[1]
    assert engine.heeded[0] == ["pick up the red block", None], "nothing to do is no step"
    assert stream.getvalue().splitlines() == [
        "seed 7, step 4: Plan: pick up the red block (x=0.500 m, y=0.100 m)",
        "seed 8, step 4: Plan: なし (x=0.500 m, y=0.100 m)",
    ]


@pytest.mark.parametrize("answer", ["i don't know", "nothing", "", "поднять", 30 * "and so on "])
def test_what_is_no_step_is_not_passed_on(answer: str) -> None:
    engine = Recorded([answer, "わかりません"], heeds_steps=True)
    PlanningDriver(cast(Any, engine)).decide(VIEWS)
    assert engine.heeded == [[None, None]]


def test_a_policy_that_has_not_learned_to_heed_steps_is_told_none() -> None:
    engine = Recorded(["pick up the red block"] * 2, heeds_steps=False)
    PlanningDriver(cast(Any, engine)).decide(VIEWS)
    assert engine.heeded == [None]
