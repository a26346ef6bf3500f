"""Recording demonstrations: what is kept, and that only the recipe decides what comes out."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

import sim
from sim.env import TabletopEnv
from sim.experts import expert_action
from sim.language import Question
from sim.scene import find
from sim.variations import TRAINING_SPLITS
from vla.config import CollectRecipe
from vla.config_files import load_config
from vla.data import collect as collection
from vla.data.blocks import Attempt, Block, Plan, load_attempts
from vla.data.collect import (
    DETOUR_STEPS,
    FIRST_SEED,
    LATEST_DETOUR,
    MOMENTS,
    STILLS,
    collect,
    describe_world,
    env_seed,
    record_attempt,
    record_posed,
    rounded,
)
from vla.data.leading import LATEST_LEAD, LEAD_STEPS
from vla.data.reader import DemonstrationDataset
from vla.data.schema import ACTION, EXECUTED_ACTION, SCENE, STILL_INSTRUCTION, SUCCESS
from vla.data.vqa import next_place
from vla.errors import ConfigError, DataError, UnknownNameError

RECIPE = CollectRecipe(
    name="tiny",
    seed=3,
    image_size=32,
    tasks={"reach": 12, "pick_up": 4},
    scenes=7,
    moments=6,
    frames_per_scene_episode=4,
    languages={"en": 0.5, "ja": 0.5},
)
SCRIPT = """
import sys
from pathlib import Path
from vla.config import CollectRecipe
from vla.data.collect import collect
if __name__ == "__main__":
    collect(CollectRecipe.model_validate_json(sys.argv[1]), Path(sys.argv[2]), 2)
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two workers' report of the tiny recipe; its dataset lies at report["out"]."""
    return collect(RECIPE, tmp_path_factory.mktemp("collect") / "demos", workers=2)


@pytest.fixture(scope="module")
def dataset(report: dict[str, Any]) -> DemonstrationDataset:
    return DemonstrationDataset(report["out"])


def content(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_the_recipe_is_fulfilled(report: dict[str, Any], dataset: DemonstrationDataset) -> None:
    episodes = {task: counts["episodes"] for task, counts in report["tasks"].items()}
    assert episodes == {"reach": 12, "pick_up": 4, "stills": 2, "moments": 2}
    for counts in report["tasks"].values():
        assert counts["attempts"] == counts["episodes"] + counts["failures"]
    assert dataset.num_episodes == 20
    assert dataset.is_still.sum() == 7
    assert (~dataset.is_still & ~dataset.succeeds).sum() == 6, "of moments"
    assert len(dataset) == sum(counts["frames"] for counts in report["tasks"].values())
    assert report["new_frames"] >= len(dataset)


def test_every_episode_ends_with_its_first_success(dataset: DemonstrationDataset) -> None:
    for frame in np.flatnonzero(~dataset.is_still).tolist():
        assert not dataset.scene(frame)["is_success"], "success is what the last action brings"
    success = dataset.column(SUCCESS)[:, 0]
    last = dataset.episode_ends - 1 == np.arange(len(dataset))
    np.testing.assert_array_equal(success, last & dataset.succeeds)


def test_labels_are_the_experts(dataset: DemonstrationDataset) -> None:
    executed = dataset.column(EXECUTED_ACTION)
    differs = []
    for frame in np.flatnonzero(~dataset.is_still).tolist():
        scene = dataset.scene(frame)
        np.testing.assert_array_equal(dataset.actions[frame], expert_action(scene["task"], scene))  # type: ignore[arg-type]
        np.testing.assert_array_equal(dataset.actions[frame, 3:], executed[frame, 3:])
        differs.append(bool((dataset.actions[frame, :3] != executed[frame, :3]).any()))
    assert 0.3 < np.mean(differs) < 1.0, "some episodes carry noise and some none"
    assert np.abs(executed).max() <= 1.0


def test_a_detour_leads_away_while_the_label_leads_back() -> None:
    recipe = RECIPE.model_copy(update={"noise": 0.0, "detours": 1.0})
    strayed = []
    for number in range(8):
        columns, _, success = record_attempt(recipe, "pick_up", number)
        action, executed = np.array(columns[ACTION]), np.array(columns[EXECUTED_ACTION])
        differs = np.flatnonzero((action != executed).any(axis=1))
        np.testing.assert_array_equal(action[:, 3:], executed[:, 3:])
        if len(differs):
            assert differs[-1] - differs[0] < DETOUR_STEPS[1] and differs[0] <= LATEST_DETOUR
        strayed.append(len(differs))
        assert success
    assert sum(map(bool, strayed)) >= 6, "an episode may be over before its detour begins"


def test_a_policy_leads_while_the_labels_are_the_experts(checkpoint_folder: Path) -> None:
    recipe = RECIPE.model_copy(update={"noise": 0.0, "policy": str(checkpoint_folder), "led": 1.0})
    led = 0
    for number in range(4):
        columns, _, success = record_attempt(recipe, "pick_up", number)
        again, _, _ = record_attempt(recipe, "pick_up", number)
        assert columns[SCENE] == again[SCENE]
        action, executed = np.array(columns[ACTION]), np.array(columns[EXECUTED_ACTION])
        for label, scene in zip(columns[ACTION], columns[SCENE], strict=True):
            np.testing.assert_array_equal(label, expert_action("pick_up", json.loads(scene)))
        differs = np.flatnonzero((action != executed).any(axis=1))
        if success and len(differs):
            assert differs[-1] < LATEST_LEAD + LEAD_STEPS[1]
            np.testing.assert_array_equal(differs, differs[0] + np.arange(len(differs)))
        led += len(differs)
    assert led >= 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"policy": None}, "`led` needs a checkpoint"),
        ({"image_size": 48}, "at 48 pixels; the policy looks at front at 32"),
        ({"cameras": ["wrist"]}, "records cameras wrist"),
    ],
)
def test_a_policy_that_cannot_lead_is_refused(
    checkpoint_folder: Path, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    recipe = RECIPE.model_copy(update={"policy": str(checkpoint_folder), "led": 0.5} | changes)
    with pytest.raises(ConfigError, match=words):
        collect(recipe, tmp_path / "demos")


def test_instructions_come_in_both_languages(dataset: DemonstrationDataset) -> None:
    texts = {dataset.instruction(int(start)) for start in dataset.episode_starts[~dataset.is_still]}
    ascii_texts = {text for text in texts if text.isascii()}
    assert ascii_texts
    assert texts - ascii_texts


def test_stills_are_unrelated_scenes(dataset: DemonstrationDataset) -> None:
    frames = np.flatnonzero(dataset.is_still)
    assert all(dataset.instruction(int(frame)) == STILL_INSTRUCTION for frame in frames)
    assert not dataset.actions[frames].any()
    assert len({json.dumps(dataset.scene(int(frame))["objects"]) for frame in frames}) == len(frames)
    hands = np.array([dataset.scene(int(frame))["gripper"]["position"] for frame in frames])
    np.testing.assert_allclose(dataset.states[frames, :3], hands, atol=1e-3)


def test_each_moment_is_an_episode_with_its_own_instruction(dataset: DemonstrationDataset) -> None:
    moments = np.flatnonzero(~dataset.is_still & ~dataset.succeeds)
    assert (dataset.episode_ends[moments] - dataset.episode_starts[moments] == 1).all()
    for frame in moments.tolist():
        scene = dataset.scene(frame)
        assert dataset.instruction(frame) == scene["instruction"] != ""
        assert scene["task"] in RECIPE.tasks
    assert len({json.dumps(dataset.scene(int(frame))["objects"]) for frame in moments}) == len(moments)


def test_the_metadata_says_where_the_data_come_from(report: dict[str, Any]) -> None:
    stored = json.loads((Path(report["out"]) / "meta/collection.json").read_text())
    assert stored["recipe"] == RECIPE.model_dump(mode="json")
    assert stored["renderer"] == "tiny"
    assert stored["tasks"] == report["tasks"]
    assert len(stored["action_scale"]) == 7


def test_the_number_of_workers_changes_no_byte(report: dict[str, Any], tmp_path: Path) -> None:
    collect(RECIPE, tmp_path / "demos", workers=1)
    assert content(tmp_path / "demos") == content(Path(report["out"]))
    assert [path.name for path in tmp_path.iterdir()] == ["demos"]


def test_a_killed_run_resumes(report: dict[str, Any], tmp_path: Path) -> None:
    out, partial = tmp_path / "demos", tmp_path / "demos.partial"
    command = [sys.executable, "-c", SCRIPT, RECIPE.model_dump_json(), str(out)]
    with subprocess.Popen(
        command, cwd=Path(sim.__file__).parent.parent, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 60
        while not list(partial.glob("*.parquet")) and time.monotonic() < deadline:
            time.sleep(0.01)
        children = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGKILL)
    assert psutil.wait_procs(children, timeout=10)[1] == [], "workers end with their parent"
    assert not out.exists()
    kept = [path.name for path in partial.glob("*.parquet")]
    assert kept
    resumed = collect(RECIPE, out, workers=1)
    assert resumed["new_frames"] < report["new_frames"], "finished blocks are not done again"
    assert content(out) == content(Path(report["out"]))


def test_a_complete_dataset_is_left_alone(report: dict[str, Any]) -> None:
    out = Path(report["out"])
    before = (out / "meta/info.json").stat().st_mtime_ns
    again = collect(RECIPE, out, workers=2)
    assert again["new_frames"] == 0
    assert again["tasks"] == report["tasks"]
    assert (out / "meta/info.json").stat().st_mtime_ns == before


def test_another_recipe_does_not_overwrite(report: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="another recipe"):
        collect(RECIPE.model_copy(update={"seed": 4}), Path(report["out"]))


def test_a_task_from_elsewhere_that_has_changed_is_another_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "plugins" not in describe_world(RECIPE).facts
    file = tmp_path / "pull.py"
    monkeypatch.setattr(collection, "plugin_files", lambda: [file])
    facts = []
    for height in (1, 2):
        file.write_text(f"HEIGHT = {height}")
        facts.append(describe_world(RECIPE).facts["plugins"])
    assert facts[0] != facts[1]


def test_a_foreign_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("irreplaceable")
    with pytest.raises(DataError, match="not made by `vla collect`"):
        collect(RECIPE, tmp_path)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"tasks": {"pikc_up": 1}}, UnknownNameError, "did you mean 'pick_up'"),
        ({"tasks": {"reach": -1}}, ConfigError, "episodes >= 0"),
        ({"tasks": {}}, ConfigError, "moments of no task"),
        ({"tasks": {}, "scenes": 0, "moments": 0}, ConfigError, "no episodes and no scenes"),
        ({"languages": {"de": 1.0}}, UnknownNameError, "unknown language 'de'"),
        ({"languages": {"en": 0.0}}, ConfigError, "shares"),
        ({"fps": 10}, ConfigError, "rate is 5"),
        ({"cameras": ["fornt"]}, ValueError, "Did you mean 'front'"),
    ],
)
def test_a_wrong_recipe_is_refused_at_once(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        collect(RECIPE.model_copy(update=change), tmp_path / "demos")
    assert list(tmp_path.iterdir()) == []


def test_no_workers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        collect(RECIPE, tmp_path / "demos", workers=0)


def test_an_attempt_depends_on_its_number_alone() -> None:
    first, text, _ = record_attempt(RECIPE, "pick_up", 5)
    record_attempt(RECIPE, "pick_up", 6)
    record_posed(RECIPE, STILLS, 1, 3)
    record_posed(RECIPE, MOMENTS, 0, 4)
    second, again, _ = record_attempt(RECIPE, "pick_up", 5)
    assert text == again
    assert first.keys() == second.keys()
    for key, values in first.items():
        np.testing.assert_array_equal(values, second[key])


def test_without_noise_the_label_is_what_was_done() -> None:
    columns, _, _ = record_attempt(RECIPE.model_copy(update={"noise": 0.0}), "reach", 0)
    np.testing.assert_array_equal(columns[ACTION], columns[EXECUTED_ACTION])


def test_seeds_are_apart_from_those_of_evaluation() -> None:
    seeds = {env_seed(RECIPE, task, number) for task in sim.TASKS for number in range(500)}
    assert len(seeds) == len(sim.TASKS) * 500
    assert min(seeds) >= FIRST_SEED
    assert max(seeds) < 2**32


def outcomes(block: Block, failures: set[int]) -> list[Attempt]:
    numbers = block.attempts()
    return [Attempt(n, n not in failures, "go", 0 if n in failures else 3) for n in numbers]


@pytest.mark.parametrize("order", [1, -1])
def test_a_plan_keeps_the_first_successes_in_order(order: int) -> None:
    plan = Plan({"reach": 15})
    failures = {2, 11, 12, 13, 14, 15, 16}
    while blocks := plan.next_blocks():
        for block in blocks[::order]:
            plan.add(block, outcomes(block, failures))
    chosen = list(plan.chosen("reach"))
    assert [attempt.number for _, _, attempt in chosen] == [0, 1, *range(3, 11), 17, 18, 19, 20, 21]
    assert [group for _, group, _ in chosen] == [*range(9), 0, 1, 2, 3, 0, 1]
    assert plan.done() == 15
    assert plan.summary()["reach"] == {
        "episodes": 15,
        "frames": 45,
        "attempts": 22,
        "failures": 7,
        "success_rate": round(15 / 22, 4),
    }


def test_nothing_is_asked_twice() -> None:
    plan = Plan({"reach": 15})
    first = plan.next_blocks()
    assert [block.number for block in first] == [0, 1]
    assert plan.next_blocks() == []


def test_a_hopeless_expert_stops_the_run() -> None:
    plan = Plan({"reach": 100})
    blocks = plan.next_blocks()
    with pytest.raises(DataError, match="succeeded in 0 of 50"):
        for block in blocks:
            plan.add(block, outcomes(block, set(range(1000))))


def test_a_damaged_block_is_done_again(tmp_path: Path) -> None:
    path = Block("reach", 0).path(tmp_path)
    assert load_attempts(path) is None
    path.write_bytes(b"PAR1 and nothing else")
    assert load_attempts(path) is None


RECIPES = sorted((Path(sim.__file__).parent.parent / "datasets").glob("*/recipe.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.name)
def test_our_recipes_are_valid(path: Path) -> None:
    recipe = load_config(path, CollectRecipe)
    assert recipe.name == path.parent.name
    assert recipe.split in TRAINING_SPLITS
    assert collection.describe_world(recipe).fps == recipe.fps
    assert (path.parent / "README.md").is_file()


def test_the_tabletop_recipe_shows_every_task_and_the_second_one_no_japanese_instruction() -> None:
    first, second = (
        load_config(next(path for path in RECIPES if path.parent.name == name), CollectRecipe)
        for name in ("tabletop", "japanese_questions")
    )
    assert set(first.tasks) == set(sim.TASKS) == set(second.tasks)
    assert first.languages["ja"] > 0 and set(second.languages) == {"en"}


@pytest.mark.parametrize("task", sim.TASKS)
def test_a_stored_scene_tells_where_the_expert_goes(task: str) -> None:
    env = gymnasium.make(sim.TASKS[task], disable_env_checker=True, cameras=())
    _, info = env.reset(seed=0)
    env.close()
    scene = json.loads(json.dumps(rounded(info["scene"])))
    np.testing.assert_allclose(next_place(scene), next_place(info["scene"]), atol=1e-3)


def test_a_plan_names_the_place_even_where_the_hand_must_rise_first() -> None:
    env = TabletopEnv("stack", cameras=())
    rng, held = np.random.default_rng(0), 0
    while held < 10:
        _, scene = env.sample_moment(rng, "en")
        if scene["gripper"]["holding"] == scene["target"]:
            assert scene["goal"] is not None
            goal = find(scene, scene["goal"])["position"][:2]
            np.testing.assert_allclose(next_place(dict(scene)), goal, atol=0.01)
            held += 1
    env.close()


def test_questions_and_captions_are_stored_beside_stills(tmp_path: Path) -> None:
    recipe = CollectRecipe(
        name="texts", seed=1, image_size=32, tasks={"reach": 1}, scenes=6, questions=4, captions=2
    )
    collect(recipe, tmp_path / "texts", workers=1)
    dataset = DemonstrationDataset(tmp_path / "texts")
    tables = [pq.read_table(path) for path in sorted((tmp_path / "texts/data").rglob("*.parquet"))]
    questions = [json.loads(text) for table in tables for text in table["questions"].to_pylist()]
    captions = [json.loads(text) for table in tables for text in table["captions"].to_pylist()]
    for still, asked, said in zip(dataset.is_still, questions, captions, strict=True):
        assert bool(asked) == bool(still) and len(said) == (2 if still else 0)
        assert all(set(item) == {field.name for field in fields(Question)} for item in asked)
