"""The checkpoint in the package: small, complete, and able to do what the README shows."""

import json

import numpy as np
import pytest

from vla.evaluation.drivers import PolicyDriver
from vla.evaluation.questions import ask_about_scenes
from vla.evaluation.rollout import make_starts, rollout
from vla.inference.engine import Engine
from vla.verbs import DEFAULT_POLICY

MAX_BYTES = 25 * 10**6
SPLIT, LEARNED = "seen", ("reach", "pick_up", "open_drawer", "press_button")
SEED = 20_000  # beside the seeds of `vla eval` and of the training data


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(DEFAULT_POLICY)


def test_it_is_small_and_says_how_it_was_made() -> None:
    assert sum(path.stat().st_size for path in DEFAULT_POLICY.iterdir()) < MAX_BYTES
    run = json.loads((DEFAULT_POLICY / "run.json").read_text())
    assert run["stage"] == "vla" and len(run["commit"]) == 40  # a clean checkout
    assert run["config"]["loop"]["steps"] > 0 and run["data"]["fingerprint"]


@pytest.mark.parametrize("task", LEARNED)
def test_it_acts(engine: Engine, task: str) -> None:
    """Far below the rates in docs/results.md: another machine rounds otherwise, and six episodes are few."""
    episodes = rollout(
        task,
        PolicyDriver(engine),
        make_starts(6, SEED, {}),
        split=SPLIT,
        envs=1,
        image_size=engine.config.image_size,
        cameras=engine.config.cameras,
    )
    assert sum(episode.success for episode in episodes) >= 4


def test_it_answers(engine: Engine) -> None:
    asked = ask_about_scenes(engine, 40, SEED, {"en": 0.5, "ja": 0.5}, SPLIT)
    for family in ("color", "existence", "location"):
        assert np.mean([item.correct for item in asked if item.question.family == family]) > 0.75
