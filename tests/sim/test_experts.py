"""Experts: they succeed, with noise and without, and need nothing but the scene."""

import numpy as np
import pytest

import sim
from sim.env import TabletopEnv
from sim.experts import expert_action, perturb


def success_rate(task, seeds, noise):
    """Share of episodes in which the expert succeeds within the step limit."""
    env = TabletopEnv(task, image_size=16)
    successes = 0
    for seed in seeds:
        _, info = env.reset(seed=seed)
        for _ in range(sim.MAX_EPISODE_STEPS):
            action = perturb(expert_action(task, info["scene"]), noise, env.np_random)
            assert action.dtype == np.float32 and action.shape == (7,) and abs(action).max() <= 1
            _, reward, terminated, _, info = env.step(action)
            assert reward == float(terminated) == float(info["is_success"])
            if terminated:
                successes += 1
                break
    env.close()
    return successes / len(seeds)


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("task", sim.TASKS)
def test_experts_succeed(task, noise):
    assert success_rate(task, range(500, 503), noise) == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("task", sim.TASKS)
def test_experts_succeed_on_many_seeds(task, noise):
    assert success_rate(task, range(20_000, 20_200), noise) >= 0.97


def test_doing_nothing_fails():
    env = TabletopEnv("reach", image_size=16)
    for seed in range(10):
        env.reset(seed=seed)
        assert not any(env.step(np.zeros(7, dtype=np.float32))[2] for _ in range(5))
    env.close()


def test_unknown_task():
    with pytest.raises(sim.SimError, match="unknown task 'lift'"):
        expert_action("lift", {})
