"""Causes of failure: each rule by hand, and each in an episode that is made to fail that way."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest

from sim.experts import expert_action
from sim.scene import Scene
from vla.actions.bins import ACTION_DIM, TOKENS_PER_ACTION
from vla.evaluation.drivers import View
from vla.evaluation.failures import Failure, Trace, classify
from vla.evaluation.rollout import Start, rollout
from vla.types import ActionChunk


def scene_of(task: str, holding: str | None = None) -> dict[str, Any]:
    objects = [
        {"name": f"{color} block", "shape": "block", "size": "medium", "position": [0.4, y, 0.02]}
        for color, y in (("red", -0.1), ("blue", 0.1))
    ]
    bowl = {"name": "green bowl", "shape": "bowl", "size": "medium", "position": [0.6, 0.0, 0.0]}
    goal = None if task in ("reach", "pick_up") else "green bowl"
    return {
        "task": task,
        "target": "red block",
        "goal": goal,
        "third": None,
        "objects": [*objects, bowl],
        "gripper": {"position": [0.5, 0.0, 0.2], "opening": 1.0, "holding": holding},
    }


@pytest.mark.parametrize(
    ("task", "reached", "held", "slipped", "holding", "cause"),
    [
        ("place_in_bowl", [], [], False, None, "never reached"),
        ("place_in_bowl", ["blue block"], [], False, None, "wrong object"),
        ("place_in_bowl", ["red block", "blue block"], ["blue block"], False, None, "wrong object"),
        ("place_in_bowl", ["blue block", "red block"], [], False, None, "missed grasp"),
        ("place_in_bowl", ["red block"], ["red block"], True, None, "dropped"),
        ("place_in_bowl", ["red block"], ["red block"], False, None, "wrong place"),
        ("place_in_bowl", ["red block"], ["red block"], False, "red block", "timeout"),
        ("reach", ["blue block"], [], False, None, "wrong object"),
        ("push", ["red block"], [], False, None, "timeout"),
        ("sort_by_color", ["blue block"], ["blue block"], False, "blue block", "timeout"),
    ],
)
def test_the_first_rule_that_fits_is_the_cause(
    task: str, reached: list[str], held: list[str], slipped: bool, holding: str | None, cause: Failure
) -> None:
    scene, trace = scene_of(task, holding), Trace(reached, held, slipped)
    assert classify(scene, trace, by_policy=False) == cause
    assert classify(scene, trace, by_policy=True) == "wrongly terminated"


def test_a_trace_remembers_what_was_touched_and_how_it_was_lost() -> None:
    trace, scene = Trace(), scene_of("pick_up")
    scene["gripper"]["position"] = [0.4, -0.1, 0.05]
    for _ in range(2):
        trace.see(scene, closing=False)
    scene["gripper"]["holding"] = "red block"
    trace.see(scene, closing=True)
    scene["gripper"]["holding"] = None
    trace.see(scene, closing=True)
    assert (trace.reached, trace.held, trace.slipped) == (["red block"], ["red block"], True)
    scene["gripper"]["holding"] = "red block"
    trace.see(scene, closing=True)
    scene["gripper"]["holding"] = None
    trace.see(scene, closing=False)
    assert not trace.slipped


class Spoiled:
    """The expert of pick_up, spoiled: told of another object, its fingers opened at the end, or idle."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.lifted: set[int] = set()

    def decide(self, views: Sequence[View]) -> list[ActionChunk]:
        return [self.chunk(view) for view in views]

    def chunk(self, view: View) -> ActionChunk:
        scene = cast(Scene, dict(view.scene))
        if self.how == "wrong object":
            names = [item["name"] for item in scene["objects"] if item["shape"] == "block"]
            scene["target"] = next(name for name in names if name != scene["target"])
        action = expert_action("pick_up", scene)
        if self.how == "never reached":
            action = np.zeros(ACTION_DIM, np.float32)
        if scene["gripper"]["holding"] is not None:
            self.lifted.add(view.seed)
        if self.how == "missed grasp" or (self.how == "wrong place" and view.seed in self.lifted):
            action[-1] = 1.0
        done = np.full(1, self.how == "wrongly terminated" and view.step > 2)
        return ActionChunk(action[None], done, np.ones((1, TOKENS_PER_ACTION), np.float32))


@pytest.mark.parametrize(
    "how", ["never reached", "wrong object", "missed grasp", "wrong place", "wrongly terminated"]
)
def test_an_episode_that_fails_in_a_way_is_said_to(how: str) -> None:
    starts = [Start(seed) for seed in (3, 4)]
    episodes = rollout("pick_up", Spoiled(how), starts, split="basic", envs=1, image_size=32)
    assert [episode.failure for episode in episodes] == [how, how]
    assert not any(episode.success for episode in episodes)


def test_a_success_has_no_cause() -> None:
    (episode,) = rollout("pick_up", Spoiled("not at all"), [Start(3)], split="basic", envs=1, image_size=32)
    assert episode.success and episode.failure is None
