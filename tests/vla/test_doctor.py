"""The doctor: it names each planted fault and nothing else, and is silent on what `vla collect` records."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from vla import cli
from vla.config import CollectRecipe
from vla.data.collect import collect
from vla.data.doctor import diagnose
from vla.data.doctor import pictures as doctor_pictures
from vla.data.doctor.motion import measure_motion
from vla.data.doctor.recording import Recording
from vla.data.reader import DemonstrationDataset
from vla.data.schema import (
    ACTION,
    DEFAULT_FEATURES,
    DONE,
    IMAGE_PREFIX,
    SCENE,
    STATE,
    SUCCESS,
    to_numpy,
    vector_feature,
)
from vla.data.writer import DatasetWriter, encode_png, episode_table

RECIPES = {
    "whole": CollectRecipe(
        name="whole",
        seed=4,
        image_size=32,
        tasks={"pick_up": 7, "place_in_bowl": 6},
        moments=9,
        scenes=6,
        frames_per_scene_episode=4,
    ),
    "demonstrations": CollectRecipe(
        name="demonstrations",
        seed=11,
        image_size=32,
        tasks={"reach": 6, "push": 3},
        cameras=["front", "wrist"],
        detours=0.3,
    ),
    "pictures": CollectRecipe(
        name="pictures",
        seed=12,
        image_size=32,
        tasks={"pick_up": 1, "stack": 1},
        moments=21,  # the last of them is an episode of its own
        scenes=6,
        questions=2,
        frames_per_scene_episode=20,
    ),
}
FRONT = IMAGE_PREFIX + "front"
Columns = dict[str, Any]


@dataclass
class Episode:
    """An episode that a test may change: its columns and the instruction of each frame."""

    columns: Columns
    tasks: list[str]

    def __len__(self) -> int:
        return len(self.tasks)

    def take(self, frames: Any) -> "Episode":
        """The episode of some of its frames, in any order."""
        columns = {
            key: values[frames] if isinstance(values, np.ndarray) else [values[i] for i in frames]
            for key, values in self.columns.items()
        }
        return Episode(columns, [self.tasks[i] for i in frames])


@dataclass
class Data:
    """A dataset that a test may change before it is written: demonstrations, then what is posed."""

    features: dict[str, Any]
    demos: list[Episode]
    posed: list[Episode]
    fps: int = 5

    def drop(self, *keys: str) -> None:
        """Leave features out."""
        for key in keys:
            del self.features[key]
            for episode in self.demos + self.posed:
                del episode.columns[key]


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What `vla collect` records from each recipe."""
    root = tmp_path_factory.mktemp("doctor")
    return {name: Path(collect(recipe, root / name, 1)["out"]) for name, recipe in RECIPES.items()}


def read(root: Path) -> Data:
    dataset = DemonstrationDataset(root)
    features = {key: value for key, value in dataset.info["features"].items() if key not in DEFAULT_FEATURES}
    table = pq.read_table(root / "data/chunk-000/file-000.parquet")
    episodes = []
    for number in range(dataset.num_episodes):
        rows = np.flatnonzero(dataset.episode_index == number)
        part = table.slice(rows[0], len(rows))
        columns: Columns = {}
        for key, feature in features.items():
            if feature["dtype"] == "image":
                columns[key] = [value["bytes"] for value in part[key].to_pylist()]
            elif feature["dtype"] == "string":
                columns[key] = part[key].to_pylist()
            else:
                columns[key] = to_numpy(part[key]).copy()
        episodes.append(Episode(columns, [dataset.instruction(int(row)) for row in rows]))
    demos = [episode for episode in episodes if not episode.columns[DONE][0]]
    return Data(features, demos, [episode for episode in episodes if episode.columns[DONE][0]])


def write(root: Path, data: Data) -> Path:
    with DatasetWriter(root, fps=data.fps, robot_type="panda", features=data.features) as writer:
        for episode in data.demos + data.posed:
            writer.add_table(episode_table(data.features, episode.columns), episode.tasks)
    return root


def scaled(factor: float, dims: slice = slice(None)) -> Callable[[Data], None]:
    def plant(data: Data) -> None:
        for episode in data.demos + data.posed:
            episode.columns[ACTION][:, dims] *= factor

    return plant


def clipped(gain: float, bound: float) -> Callable[[Data], None]:
    def plant(data: Data) -> None:
        for episode in data.demos + data.posed:
            episode.columns[ACTION][:, :3] = np.clip(gain * episode.columns[ACTION][:, :3], -bound, bound)

    return plant


def constant(dimension: int) -> Callable[[Data], None]:
    def plant(data: Data) -> None:
        for episode in data.demos + data.posed:
            episode.columns[ACTION][:, dimension] = 0.0

    return plant


def shifted(key: str, frames: int) -> Callable[[Data], None]:
    def plant(data: Data) -> None:
        for episode in data.demos:
            places = np.clip(np.arange(len(episode)) - frames, 0, len(episode) - 1)
            episode.columns[key] = episode.take(places).columns[key]

    return plant


def one_instruction(data: Data) -> None:
    for episode in data.demos + data.posed:
        told = episode.tasks[0] if "look" in episode.tasks[0] else "do the task"
        episode.tasks = [told] * len(episode)


def frozen(data: Data) -> None:
    pictures = data.demos[2].columns[FRONT]
    pictures[3:] = [pictures[3]] * (len(pictures) - 3)


def doubled_frames(data: Data) -> None:
    data.demos = [episode.take(np.repeat(np.arange(len(episode)), 2)) for episode in data.demos]


def doubled_episode(data: Data) -> None:
    data.demos.insert(5, data.demos[1])


def stopped_at_once(data: Data) -> None:
    data.demos[4] = data.demos[4].take(range(len(data.demos[4]) - 2, len(data.demos[4])))


def endless(data: Data) -> None:
    episode = data.demos[0]
    data.demos[0] = episode.take(list(range(len(episode))) * 12)
    data.demos[0].columns[DONE][:-1] = False


def timed_out(data: Data) -> None:
    data.drop(SUCCESS)
    data.demos = [episode.take(range(min(len(episode), 11))) for episode in data.demos]
    for episode in data.demos:
        episode.columns[DONE][-1] = True


def failed(data: Data) -> None:
    data.demos[3].columns[SUCCESS][-1] = False


def coloured_sides(data: Data) -> None:
    """What is red lies to the left, what is blue to the right; nothing else has these colours."""
    for episode in data.demos + data.posed:
        for frame, text in enumerate(episode.columns[SCENE]):
            scene = json.loads(text)
            for item in scene["objects"]:
                if item["name"] == scene["target"]:
                    item["color"] = "red" if item["position"][1] > 0 else "blue"
            episode.columns[SCENE][frame] = json.dumps(scene)


def coloured_ends(data: Data) -> None:
    """Without scenes: the hand ends at a place that belongs to the colour that is said."""
    data.drop(SCENE)
    for number, episode in enumerate(data.demos):
        colour, place = (("red", 0.2), ("green", 0.05), ("blue", -0.1))[number % 3]
        states = episode.columns[STATE]
        states[:, 1] += place - states[-1, 1]
        episode.tasks = [f"pick up the {colour} block"] * len(episode)


def spoilt(key: str, value: float) -> Callable[[Data], None]:
    def plant(data: Data) -> None:
        data.demos[1].columns[key][2, 1] = value

    return plant


def painted(level: int) -> Callable[[Data], None]:
    def plant(data: Data) -> None:
        picture = np.full((32, 32, 3), level, np.uint8)
        picture[0] = 120  # one row of 32
        data.demos[1].columns[FRONT][4] = encode_png(picture)

    return plant


def blank(data: Data) -> None:
    data.demos[1].columns[FRONT][4] = encode_png(np.full((32, 32, 3), 90, np.uint8))


def turned_gripper(data: Data) -> None:
    for episode in data.demos + data.posed:
        episode.columns[ACTION][:, 6] *= -1


FAULTS: dict[str, tuple[str, Callable[[Data], None], str]] = {
    "metres": ("unnormalised_actions", scaled(0.05, slice(0, 3)), "dx, dy, dz"),
    "degrees": ("unnormalised_actions", scaled(57.3), "they reach 57.3"),
    "amplified and clipped": ("clipped_actions", clipped(3.0, 1.0), "dx, dy, dz"),
    "clipped": ("clipped_actions", clipped(1.0, 0.4), "dx, dy, dz"),
    "dead dimension": ("dead_dimension", constant(1), "dy"),
    "dead gripper": ("dead_dimension", constant(6), "gripper"),
    "late actions": ("time_shift", shifted(ACTION, 1), "actions are 1 frame late"),
    "early actions": ("time_shift", shifted(ACTION, -2), "actions are 2 frames early"),
    "late pictures": ("time_shift", shifted(FRONT, 2), "pictures are 2 frames late"),
    "wrong gripper": ("gripper_sign", turned_gripper, "gripper"),
    "one instruction": ("one_instruction", one_instruction, "'do the task'"),
    "frozen camera": ("frozen_camera", frozen, "camera front, episode 2,"),
    "doubled frames": ("duplicated_frames", doubled_frames, "repeat"),
    "doubled episode": ("duplicated_episodes", doubled_episode, "episode 5"),
    "stopped at once": ("episode_lengths", stopped_at_once, "episode 4"),
    "endless": ("episode_lengths", endless, "episode 0"),
    "time limit": ("episode_lengths", timed_out, "exactly 11 frames"),
    "failure": ("failed_episodes", failed, "episode 3"),
    "colours by side": ("colour_position", coloured_sides, "targets of the scenes, dimension y"),
    "colours by end": ("colour_position", coloured_ends, "last states of the episodes, dimension y"),
    "no number": ("not_finite", spoilt(ACTION, np.nan), "action, episode 1"),
    "infinity": ("not_finite", spoilt(STATE, np.inf), "observation.state, episode 1"),
    "black picture": ("blank_pictures", painted(3), "are dark"),
    "no picture": ("blank_pictures", blank, "camera front, episode 1"),
    "over-exposed picture": ("blank_pictures", painted(255), "are over-exposed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named_and_nothing_else(
    recordings: dict[str, Path], tmp_path: Path, fault: str
) -> None:
    kind, plant, text = FAULTS[fault]
    data = read(recordings["whole"])
    plant(data)
    with np.errstate(invalid="ignore"):  # statistics of infinite values
        root = write(tmp_path / "planted", data)
    diagnosis = diagnose(root)
    assert {finding.kind for finding in diagnosis.faults} == {kind}, str(diagnosis)
    assert any(text in f"{finding.where} {finding.found}" for finding in diagnosis.faults), str(diagnosis)
    assert kind in str(diagnosis) and "  do: " in str(diagnosis)


def rewrite_info(root: Path) -> None:
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fps": 30}))


def lose_frames(root: Path) -> None:
    path = root / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    times = to_numpy(table["timestamp"])[:, 0].copy()
    times[7:12] += np.float32(1.4)
    place = table.column_names.index("timestamp")
    pq.write_table(table.set_column(place, "timestamp", [times]), path)


@pytest.mark.parametrize(
    ("plant", "text"), [(rewrite_info, "30 frames a second, the timestamps 5"), (lose_frames, "1.6 s where")]
)
def test_a_wrong_clock_is_named(
    recordings: dict[str, Path], tmp_path: Path, plant: Callable[[Path], None], text: str
) -> None:
    root = write(tmp_path / "planted", read(recordings["whole"]))
    plant(root)
    (finding,) = diagnose(root).faults
    assert finding.kind == "timestamps" and text in finding.found


@pytest.mark.parametrize("name", RECIPES)
def test_it_is_silent_on_what_collect_records(recordings: dict[str, Path], name: str) -> None:
    diagnosis = diagnose(recordings[name])
    assert diagnosis.faults == (), str(diagnosis)
    assert str(diagnosis).endswith("\nno faults found")


def test_it_is_silent_on_what_others_record(recordings: dict[str, Path], tmp_path: Path) -> None:
    """No scenes, no ends, no names; joints instead of a gripper, and actions that are targets."""
    data = read(recordings["whole"])
    data.posed = []
    data.features[ACTION] = vector_feature(["joint"] * 5) | {"names": None}
    data.features[STATE] = vector_feature(["joint"] * 6) | {"names": {"motors": [f"j{i}" for i in range(6)]}}
    data.drop(SCENE, SUCCESS, DONE, "executed_action")
    for episode in data.demos:
        states = np.column_stack([episode.columns[STATE][:, :5], np.zeros(len(episode))])
        episode.columns[STATE] = states.astype(np.float32)
        targets = np.concatenate([states[1:, :5], states[-1:, :5]])
        episode.columns[ACTION] = targets.astype(np.float32)
    assert diagnose(write(tmp_path / "clean", data)).faults == ()

    shifted(ACTION, 2)(data)
    (finding,) = diagnose(write(tmp_path / "late", data)).faults
    assert finding.kind == "time_shift" and "2 frames late" in finding.found


def test_an_expert_who_corrects_much_noise_is_not_late(recordings: dict[str, Path], tmp_path: Path) -> None:
    data = read(recordings["whole"])
    rng = np.random.default_rng(0)
    for episode in data.demos:
        place, goal = rng.uniform(-0.15, 0.15, (2, 3))
        for state, action in zip(episode.columns[STATE], episode.columns[ACTION], strict=True):
            wanted = np.clip((goal - place) / 0.05, -1, 1)
            state[:3], action[:3] = place, wanted
            place = place + 0.05 * np.clip(wanted + rng.uniform(-0.8, 0.8, 3), -1, 1)
    motion = measure_motion(Recording(DemonstrationDataset(write(tmp_path / "noisy", data))))
    assert motion.lag == 0 and not any(pair.is_target for pair in motion.pairs)


def test_stills_alone_are_no_demonstrations(recordings: dict[str, Path], tmp_path: Path) -> None:
    data = read(recordings["whole"])
    data.demos = []
    data.posed = [episode for episode in data.posed if "look" in episode.tasks[0]]
    diagnosis = diagnose(write(tmp_path / "stills", data))
    assert diagnosis.faults == ()
    assert "0 demonstrations of 0 frames, 0 moments, 6 stills" in diagnosis.summary


def test_of_many_pictures_whole_episodes_are_looked_at(
    recordings: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording(DemonstrationDataset(recordings["whole"]))
    episodes = recording.dataset.episode_index
    monkeypatch.setattr(doctor_pictures, "MOST_PICTURES", -(-len(episodes) // 2))
    looked = doctor_pictures.looked_at(recording)
    np.testing.assert_array_equal(looked, np.flatnonzero(np.isin(episodes, np.unique(episodes)[::2])))


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = cli.main(["doctor", *argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_verb_prints_what_it_found(
    recordings: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = str(recordings["whole"])
    assert run(capsys, clean) == (0, f"{diagnose(clean)}\n", "")
    data = read(recordings["whole"])
    turned_gripper(data)
    planted = str(write(tmp_path / "planted", data))
    code, out, err = run(capsys, planted)
    assert (code, err) == (0, "")
    assert "1 fault found" in out and "gripper_sign: action dimension gripper, state gripper" in out
    code, out, err = run(capsys, planted, "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert set(report) == {"dataset", "episodes", "frames", "faults"}
    assert report["dataset"] == planted
    assert report["frames"] == sum(map(len, data.demos + data.posed))
    assert [set(fault) for fault in report["faults"]] == [{"kind", "where", "found", "do"}]


def test_what_is_no_dataset_is_the_users_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, complaint in ((tmp_path, "is no complete dataset"), (tmp_path / "none", "does not exist")):
        code, out, err = run(capsys, str(folder))
        assert (code, out) == (2, "")
        assert complaint in err and len(err.splitlines()) == 1
