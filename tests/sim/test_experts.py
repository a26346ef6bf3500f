"""Experts: they succeed, with noise and without, and need nothing but the scene."""

from itertools import permutations

import numpy as np
import pytest

import sim
from sim.env import TabletopEnv
from sim.experts import expert_action, expert_subgoal, perturb
from sim.objects import height_of
from sim.scene import find
from sim.tasks import TASK_CLASSES
from sim.variations import SPLITS


def success_rate(task, seeds, noise, split="seen"):
    """Share of episodes in which the expert succeeds within the step limit."""
    env = TabletopEnv(task, split=split, cameras=())
    successes = 0
    for seed in seeds:
        _, info = env.reset(seed=seed)
        for _ in range(sim.MAX_EPISODE_STEPS[task]):
            action = perturb(expert_action(task, info["scene"]), noise, env.np_random)
            assert action.dtype == np.float32 and action.shape == (7,) and abs(action).max() <= 1
            _, reward, terminated, _, info = env.step(action)
            assert reward == float(terminated) == float(info["is_success"])
            if terminated:
                successes += 1
                break
    env.close()
    return successes / len(seeds)


@pytest.mark.parametrize("noise", [0.0, 0.15])
@pytest.mark.parametrize("task", sim.TASKS)
def test_experts_succeed(task, noise):
    # Noise may topple a tower for good; test_experts_succeed_on_many_seeds holds how often.
    assert success_rate(task, range(500, 503), noise) >= (2 / 3 if noise else 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.15])
@pytest.mark.parametrize("task", sim.TASKS)
def test_experts_succeed_on_many_seeds(task, noise):
    assert success_rate(task, range(20_000, 20_100), noise) >= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("split", ["basic", "unseen_objects_easy", "unseen_objects_hard", "unseen_pairs"])
def test_experts_succeed_with_other_objects(split):
    for task in sim.TASKS:
        if TASK_CLASSES[task].shapes(SPLITS[split]):
            assert success_rate(task, range(20_000, 20_020), 0.0, split) >= 0.9, task


@pytest.mark.parametrize("task", sim.TASKS)
def test_doing_nothing_fails(task):
    env = TabletopEnv(task, cameras=())
    for seed in range(5):
        env.reset(seed=seed)
        assert not any(env.step(np.array([0, 0, 0, 0, 0, 0, 1], np.float32))[2] for _ in range(5))
    env.close()


def test_what_cannot_be_done_never_succeeds():
    env = TabletopEnv("pick_up", split="infeasible", cameras=())
    _, info = env.reset(seed=1)
    assert info["scene"]["feasible"] is False
    for _ in range(20):
        _, _, done, _, info = env.step(expert_action("pick_up", info["scene"]))
        assert not done
    assert info["scene"]["gripper"]["holding"] == info["scene"]["target"]
    env.close()


def test_unknown_task():
    with pytest.raises(sim.SimError, match="unknown task 'lift'"):
        expert_action("lift", {})


@pytest.mark.parametrize("order", list(permutations(("target", "goal", "third"))))
@pytest.mark.parametrize("high", [2, 3])
def test_a_wrong_tower_is_taken_apart(order, high):
    env = TabletopEnv("stack_three", cameras=())
    _, info = env.reset(seed=20_000)
    scene = info["scene"]
    blocks = [find(scene, scene[part]) for part in order[:high]]
    x, y, top = *blocks[0]["position"][:2], 0.0
    for block in blocks:
        height = height_of("block", block["size"])
        block["position"] = [x, y, top + height / 2]
        top += height
    _, info = env.reset(seed=20_000, options={"scene": scene})
    for _ in range(sim.MAX_EPISODE_STEPS["stack_three"]):
        _, _, done, _, info = env.step(expert_action("stack_three", info["scene"]))
        if done:
            break
    assert done
    env.close()


@pytest.mark.parametrize("held, other", [("target", "goal"), ("goal", "target")])
def test_swap_puts_aside_only_a_block_whose_place_is_taken(held, other):
    env = TabletopEnv("swap", cameras=())
    _, info = env.reset(seed=20_000)
    scene = info["scene"]
    held, other = find(scene, scene[held]), find(scene, scene[other])
    held["position"] = scene["gripper"]["position"] = [*held["position"][:2], 0.15]
    scene["gripper"]["holding"] = held["name"]
    assert expert_subgoal("swap", scene).destination[:2] == pytest.approx(scene["marks"]["free"])
    place = other["position"][:2]
    other["position"][:2] = scene["marks"]["free"]
    assert expert_subgoal("swap", scene).destination[:2] == pytest.approx(place)
    env.close()
