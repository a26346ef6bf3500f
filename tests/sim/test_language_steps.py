"""What comes next in words agrees with what the expert does."""

import math

import numpy as np
import pytest

from sim.env import TabletopEnv
from sim.experts import expert_subgoal
from sim.language import LANGUAGES, own_step
from sim.language.steps import next_step
from sim.language.truth import SceneView


@pytest.mark.parametrize("task", ["stack_three", "swap"])
def test_the_next_step_is_the_experts(task):
    env, rng, kinds = TabletopEnv(task, cameras=()), np.random.default_rng(0), set()
    for _ in range(150):
        _, scene = env.sample_moment(rng, "en")
        view = SceneView(scene)
        parts = tuple(view.by_name[scene[role]] for role in ("target", "goal", "third") if scene[role])
        step = next_step(view, task, parts)
        if step is None:
            continue
        kinds.add(step.kind)
        subgoal, held = expert_subgoal(task, scene), view.holding
        place = subgoal.position if subgoal.destination is None else subgoal.destination
        where = {item: math.dist(place[:2], (item.x, item.y)) for item in view.all}
        if step.kind == "put_on":
            assert held is not None and where[step.goal] < 0.05
        elif step.kind == "put_aside":
            assert held is not None and min(where[it] for it in parts if it.name != held) > 0.05
        else:
            assert step.kind == "pick_up" and held is None
            rises = task == "stack_three" and view.is_on(parts[1], parts[2]) and place[2] > 0.1
            assert where[step.it] < 0.05 or rises, "first away from what has been put down"
    assert kinds == {"pick_up", "put_on", "put_aside"}
    env.close()


def test_a_step_is_said_in_the_language_asked_for():
    env = TabletopEnv("pick_up", cameras=())
    _, info = env.reset(seed=1)
    said = {language: own_step(info["scene"], language) for language in LANGUAGES}
    assert said["en"].startswith("pick up the ") and said["ja"].endswith("を持ち上げる")
    env.close()
