"""The task can be carried out, is not done at the start, and can be asked for in both languages."""

from collections.abc import Iterator
from pathlib import Path

import gymnasium
import pytest

import sim
from sim.experts import expert_action
from sim.plugins import load_file

load_file(Path(__file__).with_name("pull.py"))


@pytest.fixture(scope="module")
def env() -> Iterator[gymnasium.Env]:
    made = gymnasium.make(sim.TASKS["pull"], cameras=())
    yield made
    made.close()


@pytest.mark.parametrize("seed", range(20))
def test_the_expert_succeeds(env: gymnasium.Env, seed: int) -> None:
    _, info = env.reset(seed=seed)
    assert not info["is_success"], "a scene must not be done already"
    for _ in range(sim.MAX_EPISODE_STEPS["pull"]):
        _, _, terminated, _, info = env.step(expert_action("pull", info["scene"]))
        if terminated:
            break
    assert info["is_success"]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_it_is_asked_for_by_the_name_of_its_target(env: gymnasium.Env, language: str) -> None:
    _, info = env.reset(seed=0, options={"language": language})
    instruction = info["instruction"]
    _, again = env.reset(seed=0, options={"instruction": instruction})
    assert again["instruction"] == instruction
    assert again["scene"]["target"] == info["scene"]["target"]
