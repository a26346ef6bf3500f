"""Rollouts: the same episodes whatever the pool, honest endings, and what is written about them."""

import dataclasses
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import sim
from vla.actions.bins import ACTION_DIM
from vla.cli import main
from vla.config import EvalConfig
from vla.errors import ConfigError, DataError
from vla.evaluation import suite
from vla.evaluation.drivers import ExpertDriver, PolicyDriver, RandomDriver, View
from vla.evaluation.failures import Failure
from vla.evaluation.questions import draw_scenes
from vla.evaluation.rollout import Episode, Start, make_starts, rollout, summarise
from vla.evaluation.suite import average, evaluate, other_object_starts
from vla.evaluation.video import check_video_path, compose_frames, write_video
from vla.inference.engine import Engine
from vla.types import ActionChunk

SIZE = 32  # pixels
SEED = 10_000


class Still:
    """Decides not to move; says terminate from a given step on."""

    def __init__(self, terminate_from: int = 10**6) -> None:
        self.terminate_from = terminate_from
        self.asked = 0

    def decide(self, views: Sequence[View]) -> list[ActionChunk]:
        self.asked += len(views)
        chunks = []
        for view in views:
            terminate = np.full(4, view.step >= self.terminate_from)
            chunks.append(
                ActionChunk(np.zeros((4, ACTION_DIM), np.float32), terminate, np.ones((4, 8), np.float32))
            )
        return chunks


def play(task: str, driver: object, starts: list[Start], **options: object) -> list[Episode]:
    return rollout(task, driver, starts, image_size=SIZE, **{"envs": 1, **options})  # type: ignore[arg-type]


def plain(episode: Episode) -> dict[str, object]:
    return {name: value for name, value in dataclasses.asdict(episode).items() if name != "frames"}


def test_the_expert_succeeds_and_the_same_seeds_give_the_same_episodes_in_any_pool() -> None:
    starts = make_starts(5, SEED, {})
    alone = play("reach", ExpertDriver("reach"), starts, record=1)
    together = play("reach", ExpertDriver("reach"), starts, envs=3, record=1)
    assert [plain(episode) for episode in alone] == [plain(episode) for episode in together]
    assert all(episode.success and episode.ending == "success" for episode in alone)
    assert [episode.start.seed for episode in alone] == list(range(SEED, SEED + 5))
    assert all(episode.first_reached == episode.target for episode in alone)
    np.testing.assert_array_equal(alone[0].frames, together[0].frames)
    assert alone[0].frames.shape == (alone[0].steps + 1, SIZE, SIZE, 3)
    assert len(alone[1].frames) == 0


def test_random_actions_follow_from_the_seed() -> None:
    starts = make_starts(2, SEED, {})
    first, second = (play("push", RandomDriver(), starts) for _ in range(2))
    assert [plain(episode) for episode in first] == [plain(episode) for episode in second]


def test_an_episode_without_success_ends_in_time() -> None:
    driver = Still()
    episode = play("pick_up", driver, [Start(SEED)], execute=4)[0]
    assert (episode.success, episode.ending, episode.steps) == (
        False,
        "time",
        sim.MAX_EPISODE_STEPS["pick_up"],
    )
    assert driver.asked == sim.MAX_EPISODE_STEPS["pick_up"] / 4


def test_a_policy_that_says_twice_that_it_is_done_ends_the_episode_as_it_stands() -> None:
    episodes = play("pick_up", Still(terminate_from=6), make_starts(3, SEED, {}), execute=2, envs=2)
    assert [(episode.ending, episode.success, episode.steps) for episode in episodes] == [
        ("policy", False, 8)
    ] * 3


def test_an_instruction_chooses_the_block() -> None:
    text = "pick up the purple block"
    episodes = play("pick_up", ExpertDriver("pick_up"), make_starts(2, SEED, {"instruction": text}))
    assert [(episode.instruction, episode.target) for episode in episodes] == [(text, "purple block")] * 2
    assert all(episode.success for episode in episodes)


def test_a_policy_is_rolled_out(checkpoint_folder: Path) -> None:
    engine = Engine.load(checkpoint_folder)
    starts = [Start(SEED), Start(SEED + 1, {"language": "ja"})]
    first, second = (
        rollout("reach", PolicyDriver(engine), starts, envs=2, execute=4, image_size=SIZE) for _ in range(2)
    )
    assert [plain(episode) for episode in first] == [plain(episode) for episode in second]
    assert all(episode.ending in ("success", "policy", "time") for episode in first)


def test_what_the_policy_is_told_can_differ_from_what_the_env_asks() -> None:
    config = EvalConfig(episodes=3, seed=SEED)
    starts, named = other_object_starts(config, "basic")

    class Listener(ExpertDriver):
        """An expert that goes to the block it is told about."""

        def decide(self, views: Sequence[View]) -> list[ActionChunk]:
            scenes = [dict(view.scene) for view in views]
            for scene, view in zip(scenes, views, strict=True):
                scene["target"] = dict(zip([start.seed for start in starts], named, strict=True))[view.seed]
            changed = [
                dataclasses.replace(view, scene=scene) for view, scene in zip(views, scenes, strict=True)
            ]
            return super().decide(changed)

    listening = play("reach", Listener("reach"), starts, split="basic", until_reached=True)
    deaf = play("reach", ExpertDriver("reach"), starts, split="basic", until_reached=True)
    assert [episode.first_reached for episode in listening] == named
    assert all(episode.ending == "reached" for episode in listening)
    assert [episode.first_reached for episode in deaf] == [episode.target for episode in deaf]
    for episode, start, name in zip(listening, starts, named, strict=True):
        assert episode.instruction == start.instruction
        assert name != episode.target


@pytest.mark.parametrize(("episodes", "envs", "seed"), [(0, 1, 0), (1, 0, 0), (1, 1, -1)])
def test_nothing_to_play_is_an_error(episodes: int, envs: int, seed: int) -> None:
    with pytest.raises(ConfigError, match="must be at least"):
        play("reach", Still(), make_starts(episodes, seed, {}), envs=envs)


def test_a_mistake_in_a_start_is_raised_as_itself() -> None:
    with pytest.raises(sim.SimError, match="no pink objects"):
        starts = [Start(0, {"instruction": "reach the pink block"})]
        play("reach", Still(), starts, split="basic", envs=2)


def test_a_policy_can_be_told_with_a_mistake() -> None:
    (right,), (wrong,) = (
        play("reach", Still(0), [dataclasses.replace(Start(0, {}, "reach the yellow block"), typo=typo)])
        for typo in (False, True)
    )
    assert right.instruction == "reach the yellow block" != wrong.instruction


def test_a_summary_counts() -> None:
    episode = Episode(
        Start(0), "reach the red block", "red block", True, "success", 4, None, None, np.empty(0, np.uint8)
    )
    cause: Failure = "wrongly terminated"
    lost = dataclasses.replace(episode, success=False, ending="policy", steps=10, failure=cause)
    summary = summarise([episode, lost])
    assert summary["success_rate"] == 0.5
    assert (summary["episodes"], summary["successes"], summary["ended_by_policy"]) == (2, 1, 1)
    assert summary["mean_steps"] == 7
    assert summary["failures"] == {"wrongly terminated": 1}
    assert summary["interval"][0] < 0.5 < summary["interval"][1]


def recorded(count: int, instruction: str = "reach the red block") -> list[Episode]:
    rng = np.random.default_rng(0)
    return [
        Episode(
            Start(seed),
            instruction,
            "red block",
            seed % 2 == 0,
            "success" if seed % 2 == 0 else "time",
            steps,
            None,
            None,
            rng.integers(0, 256, (steps + 1, 33, 33, 3), dtype=np.uint8),
        )
        for seed, steps in enumerate(range(3, 3 + count))
    ]


def test_a_film_can_be_played(tmp_path: Path) -> None:
    path = tmp_path / "films" / "out.mp4"
    episodes = recorded(3)
    write_video(path, episodes)
    with av.open(path) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == 5
        pictures = list(container.decode(stream))
    frames = compose_frames(episodes)
    assert len(pictures) == len(frames)
    assert (pictures[0].height, pictures[0].width) == frames[0].shape[:2]
    assert [path.name for path in path.parent.iterdir()] == ["out.mp4"]


def test_an_animation_can_be_played(tmp_path: Path) -> None:
    path = tmp_path / "out.gif"
    write_video(path, recorded(1))
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        assert image.format == "GIF"
        assert image.n_frames > 3  # type: ignore[attr-defined]
        assert image.info["duration"] == 200


@pytest.mark.parametrize("instruction", ["赤いブロックに触って", "reach " + "very " * 30 + "slowly"])
def test_any_caption_can_be_drawn(instruction: str) -> None:
    frames = compose_frames(recorded(2, instruction))
    assert all(frame.shape == frames[0].shape for frame in frames)


def test_another_kind_of_film_is_refused() -> None:
    check_video_path(Path("a.MP4"))
    with pytest.raises(ConfigError, match=r"must end in \.mp4 or \.gif"):
        check_video_path(Path("a.avi"))


def test_scenes_for_questions_follow_from_the_seed() -> None:
    first, second, other = (list(draw_scenes(6, seed, SIZE, "basic")) for seed in (SEED, SEED, SEED + 6))
    for (picture, scene), (again, same), (_, different) in zip(first, second, other, strict=True):
        np.testing.assert_array_equal(picture, again)
        assert scene == same != different


def suite_config(**changes: Any) -> EvalConfig:
    settings = {"episodes": 1, "scenes": 0, "languages": {"en": 1.0}, "envs": 1, "execute": 4, "seed": SEED}
    return EvalConfig.model_validate(settings | {"splits": ["basic"]} | changes)


def test_the_suite_measures_everything_and_reports_it(checkpoint_folder: Path, tmp_path: Path) -> None:
    engine = Engine.load(checkpoint_folder)
    config = suite_config(tasks=["reach"], episodes=2, scenes=4)
    report = evaluate(engine, config, tmp_path / "report", policy="random weights", baselines=True)
    basic = report["splits"]["basic"]
    reach = basic["tasks"]["reach"]
    assert set(reach) == {"policy", "expert", "random"}
    assert reach["expert"]["success_rate"] == 1.0
    assert basic["average_success_rate"] == reach["policy"]["success_rate"]
    listening = basic["listening"]
    assert listening["episodes"] == 2
    assert listening["reached_named"] + listening["reached_other"] + listening["reached_none"] == 2
    assert {"color", "existence", "location"} <= set(basic["questions"])
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "random weights" in text
    assert "| reach |" in text
    assert "| location |" in text
    assert "## Splits" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report"]


def test_without_another_object_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "other_object_starts", lambda config, split: ([], []))
    assert suite.measure_listening(RandomDriver(), suite_config(), "basic", {}) == {}


def test_the_suite_measures_splits(checkpoint_folder: Path, tmp_path: Path) -> None:
    engine = Engine.load(checkpoint_folder)
    splits = ["symbols", "japanese", "infeasible"]
    config = suite_config(tasks=["place_on_card", "reach"], splits=splits, episodes_of_split=3)
    report = evaluate(engine, config, tmp_path / "report", policy="random weights")
    measured = report["splits"]
    assert {name: list(split["tasks"]) for name, split in measured.items()} == {
        "symbols": ["place_on_card"],
        "japanese": ["place_on_card", "reach"],
        "infeasible": ["place_on_card", "reach"],
    }
    assert list(measured["japanese"]["tasks"]["reach"]["policy"]["languages"]) == ["ja"]
    assert "listening" in measured["japanese"] and "listening" not in measured["symbols"]
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "| japanese | 2 | 4 |" in text
    assert "| symbols | 1 | 3 |" in text
    assert "### Failures" in text
    plots = ["splits", "tasks-symbols", "tasks-japanese", "tasks-infeasible", "failures"]
    for name in plots:
        with Image.open(tmp_path / "report" / f"{name}.png") as plot:
            assert plot.width > 300


def test_what_cannot_be_done_succeeds_where_the_policy_says_so() -> None:
    result = {"successes": 0, "ended_by_policy": 3, "episodes": 4}
    assert average({"reach": {"policy": result}}, "infeasible")["average_success_rate"] == 0.75
    assert average({"reach": {"policy": result}}, "seen")["average_success_rate"] == 0.0


def test_an_interrupted_suite_goes_on(
    checkpoint_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, out = Engine.load(checkpoint_folder), tmp_path / "report"
    config = suite_config(tasks=["reach", "push"])
    whole = evaluate(engine, config, tmp_path / "whole", policy="random weights")
    played: list[str] = []
    play_task = suite.measure_task

    def interrupted(task: str, *arguments: Any) -> Any:
        played.append(task)
        if played == ["reach", "push"]:
            raise KeyboardInterrupt
        return play_task(task, *arguments)

    monkeypatch.setattr(suite, "measure_task", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(engine, config, out, policy="random weights")
    assert not out.exists()
    with pytest.raises(DataError, match="unfinished evaluation of something else"):
        evaluate(engine, suite_config(tasks=["reach"]), out, policy="random weights")
    assert evaluate(engine, config, out, policy="random weights") == whole
    assert played == ["reach", "push", "push"]


def test_failures_are_filmed(checkpoint_folder: Path, tmp_path: Path) -> None:
    engine = Engine.load(checkpoint_folder)
    config = suite_config(tasks=["reach"])
    report = evaluate(engine, config, tmp_path / "report", policy="random weights", save_failures=True)
    (cause,) = report["splits"]["basic"]["tasks"]["reach"]["policy"]["failures"]
    films = tmp_path / "report" / "failures" / "basic"
    assert [path.name for path in films.iterdir()] == [f"reach-{SEED}-{cause.replace(' ', '_')}.mp4"]


def test_a_policy_warns_where_another_renderer_draws(
    checkpoint_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "policy"
    shutil.copytree(checkpoint_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    next(iter(config["embodiments"].values()))["renderer"] = "egl"
    (folder / "config.json").write_text(json.dumps(config))
    for policy, warned in ((folder, True), (checkpoint_folder, False)):
        command = ["rollout", "--task", "reach", "--episodes", "1", "--envs", "1", "--policy", str(policy)]
        assert main(command) == 0
        assert ("drawn by 'tiny'; the policy learned from 'egl'" in capsys.readouterr().err) == warned
