"""A recording is corrected whole or not at all, and episodes are added to it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from vla import cli
from vla.data.editing import add_episode, check_fits, delete_episodes, relabel_episodes
from vla.data.reader import DemonstrationDataset
from vla.data.schema import DEFAULT_FEATURES
from vla.errors import ConfigError, DataError, InstructionError, StorageError
from vla.evaluation.play import Session
from vla.evaluation.replaying import replay

LENGTHS = [5, 7, 6, 8, 6, 6]  # of the fixture's episodes; the last two are stills


@pytest.fixture
def root(dataset_folder: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(dataset_folder, tmp_path / "demos"))
    (folder / "meta/collection.json").write_text('{"renderer": "tiny"}')
    return folder


def lengths(dataset: DemonstrationDataset) -> list[int]:
    return np.bincount(dataset.episode_index).tolist()


def content(dataset: DemonstrationDataset, frame: int) -> tuple[object, ...]:
    pictures = (dataset.image(frame, camera).tobytes() for camera in dataset.cameras)
    vectors = dataset.actions[frame].tolist(), dataset.states[frame].tolist()
    return (*pictures, *vectors, dataset.instruction(frame), dataset.scene(frame))


def test_deleted_episodes_are_gone_and_the_others_are_as_they_were(root: Path) -> None:
    before = DemonstrationDataset(root)
    kept = [
        content(before, frame) for frame in range(len(before)) if before.episode_index[frame] not in (1, 4)
    ]
    delete_episodes(root, [4, 1])
    after = DemonstrationDataset(root)
    assert lengths(after) == [5, 6, 8, 6]
    assert [content(after, frame) for frame in range(len(after))] == kept
    assert after.renderer == "tiny", "what else is noted stays"
    stats = json.loads((root / "meta/stats.json").read_text())
    assert stats["action"]["count"] == [len(after)]


def test_what_lies_beside_the_data_stays(root: Path) -> None:
    (root / "NOTES.md").write_text("mine")
    (root / "films").mkdir()
    (root / "films/a.mp4").write_bytes(b"film")
    delete_episodes(root, [1])
    assert (root / "NOTES.md").read_text() == "mine"
    assert (root / "films/a.mp4").read_bytes() == b"film"


def test_a_still_is_not_told_to_do_anything(root: Path) -> None:
    before = DemonstrationDataset(root).fingerprint
    with pytest.raises(ConfigError, match=r"episode 4 of .* nothing is done"):
        relabel_episodes(root, [2, 4], "pick it up")
    assert DemonstrationDataset(root).fingerprint == before


def test_a_relabelled_episode_is_told_otherwise_and_its_scenes_too(root: Path) -> None:
    relabel_episodes(root, [2], "Pick it up, please.")
    dataset = DemonstrationDataset(root)
    assert lengths(dataset) == LENGTHS
    for frame in range(len(dataset)):
        told = dataset.instruction(frame)
        assert (told == "pick it up, please") == (dataset.episode_index[frame] == 2)
        if not dataset.is_still[frame]:
            assert dataset.scene(frame)["instruction"] == told


def test_an_episode_is_added_at_the_end(root: Path) -> None:
    dataset = DemonstrationDataset(root)
    features = {key: value for key, value in dataset.info["features"].items() if key not in DEFAULT_FEATURES}
    columns = {
        key: np.stack([dataset.image(frame, key.removeprefix("observation.images.")) for frame in range(5)])
        if "images" in key
        else [json.dumps(dataset.scene(frame)) for frame in range(5)]
        if key == "scene"
        else dataset.column(key)[:5]
        for key in features
    }
    assert add_episode(root, features, columns, "once more", fps=5, robot_type="panda") == 6
    after = DemonstrationDataset(root)
    assert lengths(after) == [*LENGTHS, 5]
    assert content(after, 0)[:4] == content(after, len(after) - 5)[:4]
    assert after.instruction(len(after) - 1) == "once more"
    for change in ({"fps": 10}, {"robot_type": "ur5"}):
        with pytest.raises(DataError, match="holds a recording with other"):
            check_fits(root, features, **{"fps": 5, "robot_type": "panda", **change})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--delete", "6"], "has no episode 6; it has 0 to 5"),
        (["--delete", "0", "1", "2", "3", "4", "5"], "would be left"),
        (["--relabel", "1", "--instruction", "  "], "is empty"),
        (["--relabel", "1"], "give --delete with numbers, or --relabel"),
        (["--delete", "1", "--instruction", "reach"], "give --delete with numbers, or --relabel"),
        ([], "give --delete with numbers, or --relabel"),
    ],
)
def test_a_mistake_changes_nothing(
    root: Path, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = DemonstrationDataset(root).fingerprint
    assert cli.main(["edit", str(root), *arguments]) == 2
    assert complaint in capsys.readouterr().err
    assert DemonstrationDataset(root).fingerprint == before


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_whatever_happens_nothing_is_lost(
    root: Path, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    before = DemonstrationDataset(root).fingerprint
    monkeypatch.setattr(pq, "write_table", fail)  # of the metadata, which come last
    with pytest.raises((StorageError, KeyboardInterrupt)):
        delete_episodes(root, [0])
    assert DemonstrationDataset(root).fingerprint == before
    assert [path.name for path in root.parent.iterdir()] == [root.name]


def test_the_command_edits(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["edit", str(root), "--relabel", "0", "2", "--instruction", "赤い玉を取って"]) == 0
    assert cli.main(["edit", str(root), "--delete", "1"]) == 0
    said = f"2 episodes of {root} relabelled\n1 episodes of {root} deleted\n"
    assert capsys.readouterr().out == said
    with pytest.raises(InstructionError):
        relabel_episodes(root, [0], "")


def test_what_is_played_is_kept_at_once_if_it_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "hand"
    for seed in ("1", "2"):
        assert cli.main(["play", "--task", "reach", "--expert", "--seed", seed, "--record", str(out)]) == 0
    assert capsys.readouterr().err.endswith(f"kept as episode 1 of {out}\n")
    dataset = DemonstrationDataset(out)
    assert dataset.demonstrations == [0, 1] and dataset.cameras == ["front", "wrist"]
    assert all(episode.success for episode in replay(dataset, [0, 1]).values())
    # Under another name of the same folder, too.
    again = tmp_path / "nothing/../hand"
    assert cli.main(["play", "--task", "reach", "--expert", "--seed", "3", "--record", str(again)]) == 0
    assert DemonstrationDataset(out).num_episodes == 3
    # Another camera may be watched than those that are recorded.
    watched = ["--camera", "side", "--record", str(out)]
    assert cli.main(["play", "--task", "reach", "--expert", "--seed", "5", *watched]) == 0
    assert DemonstrationDataset(out).cameras == ["front", "wrist"]
    # What fails is not kept.
    monkeypatch.setattr("vla.evaluation.play.expert_action", lambda *_: np.zeros(7, np.float32))
    assert cli.main(["play", "--task", "reach", "--expert", "--seed", "4", "--record", str(out)]) == 0
    assert "not kept, since it did not succeed" in capsys.readouterr().err
    assert DemonstrationDataset(out).num_episodes == 4


def test_a_folder_with_something_else_is_refused_before_anything_is_played(
    dataset_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "by_expert", lambda *_: pytest.fail("played"))
    assert cli.main(["play", "--task", "reach", "--expert", "--record", str(dataset_folder)]) == 2
    assert "holds a recording with other features" in capsys.readouterr().err
