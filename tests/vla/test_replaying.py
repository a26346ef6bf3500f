"""Recorded actions do again what they did, from the scene that they began in."""

import json
from pathlib import Path

import numpy as np
import pytest

from vla import cli
from vla.config import CollectRecipe
from vla.data.collect import collect
from vla.data.reader import DemonstrationDataset
from vla.errors import ConfigError
from vla.evaluation.replaying import RecordedDriver, replay


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "demos"
    tasks = {"reach": 2, "press_button": 2}
    collect(CollectRecipe(name="small", seed=5, image_size=32, tasks=tasks, scenes=3, moments=3), folder, 1)
    return folder


def test_demonstrations_are_neither_stills_nor_moments(recording: Path) -> None:
    assert DemonstrationDataset(recording).demonstrations == [0, 1, 2, 3]


def test_what_was_done_is_done_again(recording: Path) -> None:
    dataset = DemonstrationDataset(recording)
    played = replay(dataset, [0, 3, 1], record=1)
    assert sorted(played) == [0, 1, 3] and all(episode.success for episode in played.values())
    for number, episode in played.items():
        assert episode.steps == (dataset.episode_index == number).sum()
        assert episode.instruction == dataset.instruction(int(np.argmax(dataset.episode_index == number)))
    assert sum(len(episode.frames) > 0 for episode in played.values()) == 2, "one of each task"


def test_other_actions_do_not(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = DemonstrationDataset(recording)
    monkeypatch.setattr(dataset, "column", lambda key: np.zeros((len(dataset), 7)))
    (episode,) = replay(dataset, [0]).values()
    assert not episode.success and episode.ending == "policy"
    assert episode.steps == (dataset.episode_index == 0).sum() + 1, "that it is done must be said twice"


def test_what_is_no_demonstration_is_refused(recording: Path) -> None:
    with pytest.raises(ConfigError, match=r"episode 4 of .* is no demonstration; they are 0 to 3"):
        replay(DemonstrationDataset(recording), [0, 4])


def test_the_driver_ends_after_the_last_action() -> None:
    driver = RecordedDriver({7: np.eye(7, dtype=np.float32)[:2]})
    chunks = [driver._next(driver._actions[7], step) for step in range(4)]
    assert [bool(chunk.terminate[0]) for chunk in chunks] == [False, False, True, True]
    assert chunks[1].actions[0, 1] == 1


def test_the_command_prints_what_failed(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replay", str(recording)]) == 0
    assert capsys.readouterr().out == "4 of 4 episodes succeed again\n"
    assert cli.main(["replay", str(recording), "--episode", "2", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line).keys() == {"episode", "instruction", "success", "steps"}
