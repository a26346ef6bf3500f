"""Other instructions for a scene: its own words fit what is there, and the expert can do it from there."""

import itertools
from collections import Counter

import numpy as np
import pytest

import sim
from sim.env import TabletopEnv
from sim.experts import expert_action
from sim.language import LANGUAGES, counterfactual, fits, parse_instruction
from sim.scene import find
from sim.tasks import TASK_CLASSES

ROLES = ("target", "goal", "third")


def begun_scenes(task, seeds):
    """Env, scene and generator of episodes of a task whose expert has taken some of its steps."""
    env = TabletopEnv(task, cameras=())
    for seed in seeds:
        rng = np.random.default_rng(seed)
        _, info = env.reset(seed=seed)
        for _ in range(int(rng.integers(20))):
            _, _, done, _, info = env.step(expert_action(task, info["scene"]))
            if done:
                break
        yield env, info["scene"], rng
    env.close()


def test_the_expert_can_do_what_else_is_asked():
    asked = Counter()
    for env, scene, rng in itertools.chain(*(begun_scenes(task, range(900, 904)) for task in sim.TASKS)):
        drawn = counterfactual(scene, "en", rng)
        if drawn is None:
            continue
        other, text = drawn
        asked[other["task"]] += 1
        for _ in range(sim.MAX_EPISODE_STEPS[other["task"]]):
            info = env.step(expert_action(other["task"], other))[-1]
            other = info["scene"] | {key: other[key] for key in ("task", *ROLES)}
            if TASK_CLASSES[other["task"]]().is_success(other):
                break
        else:
            pytest.fail(text)
    assert asked.total() > 30 and len(asked) > 8


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", ["reach", "stack_three", "place_on_card"])
def test_the_words_are_about_the_objects_and_another_task_or_others(task, language):
    for _, scene, rng in begun_scenes(task, range(900, 905)):
        drawn = counterfactual(scene, language, rng)
        if drawn is None:
            continue
        other, text = drawn
        assert [other[key] for key in ("task", *ROLES)] != [scene[key] for key in ("task", *ROLES)]
        assert other["objects"] == scene["objects"]
        request = parse_instruction(text)
        for role in ROLES:
            described = getattr(request, role)
            assert described is None or fits(described, find(scene, other[role]))
        assert request.target is not None
