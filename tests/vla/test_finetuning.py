"""`vla finetune` on tiny things: what it writes, what it keeps, and that it goes on where it stopped."""

import json
from pathlib import Path
from typing import Any

import pytest

from sim.errors import SimError
from vla.config import FinetuneConfig
from vla.data.reader import DemonstrationDataset
from vla.errors import DataError
from vla.evaluation import finetuning
from vla.evaluation.finetuning import finetune, finetune_markdown

pytestmark = pytest.mark.usefixtures("fresh_accelerator")
LITTLE = FinetuneConfig(
    steps=4,
    batch_size=4,
    checks=4,
    check_episodes=1,
    patience=1,
    episodes=1,
    old_tasks=["reach"],
    scenes=1,
    mixture={"motion_share": 1, "questions_per_image": 1},  # type: ignore[arg-type]
)


@pytest.fixture
def successes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What rollouts find, one after the other: before, at four checks, after; rolling out would take long."""
    found = [0, 1, 3, 2, 0, 7]
    monkeypatch.setattr(finetuning.SimTask, "play", lambda *_: found.pop(0))
    figures = {"splits": {"seen": {"tasks": {"reach": {"policy": {"successes": 3, "episodes": 4}}}}}}
    monkeypatch.setattr(finetuning, "evaluate", lambda *_, **__: figures)
    return found


def test_the_best_weights_are_kept_and_training_ends_when_it_gets_worse(
    checkpoint_folder: Path, dataset_folder: Path, tmp_path: Path, successes: list[int]
) -> None:
    report = finetune(checkpoint_folder, dataset_folder, tmp_path, LITTLE, replay=dataset_folder)
    assert report["task"] == "pick_up" and report["demonstrations"] == 4 and report["steps"] == 4
    found = [(check["steps"], check["successes"], check["kept"]) for check in report["checks"]]
    assert found == [(1, 1, True), (2, 3, True), (3, 2, False)]
    assert successes == [7], "the fourth check was not made, and what came instead is reported"
    assert report["before"]["pick_up"] == [0, 1] and report["after"]["pick_up"] == [0, 1]
    kept, last = (
        (tmp_path / folder / "checkpoint/model.safetensors").read_bytes() for folder in (".", "train")
    )
    assert kept != last
    run = json.loads((tmp_path / "checkpoint/run.json").read_text())
    assert run["config"]["replay"] == {"data": str(dataset_folder), "share": 0.5, "motion_share": 0.6}
    assert "| reach | 75 %" in (tmp_path / "report.md").read_text()
    assert finetune_markdown(report) == (tmp_path / "report.md").read_text()
    assert finetune(checkpoint_folder, dataset_folder, tmp_path, LITTLE, replay=dataset_folder) == report
    with pytest.raises(DataError, match="holds a fine-tuning with other data or settings"):
        finetune(checkpoint_folder, dataset_folder, tmp_path, LITTLE)


def test_what_cannot_work_takes_no_folder(
    checkpoint_folder: Path, dataset_folder: Path, tmp_path: Path
) -> None:
    mistyped = LITTLE.model_copy(update={"old_tasks": ["stak"]})
    with pytest.raises(SimError, match="unknown task 'stak'"):
        finetune(checkpoint_folder, dataset_folder, tmp_path / "out", mistyped)
    with pytest.raises(DataError, match="is the dataset"):
        finetune(checkpoint_folder, dataset_folder, dataset_folder, LITTLE)
    assert not (tmp_path / "out").exists() and not (dataset_folder / "facts.json").exists()


def test_interrupted_it_goes_on(
    checkpoint_folder: Path,
    dataset_folder: Path,
    tmp_path: Path,
    successes: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    play = finetuning.SimTask.play
    finetune_once = [0]  # what was found before the training is kept
    monkeypatch.setattr(
        finetuning.SimTask, "play", lambda *_: finetune_once.pop() if finetune_once else stop()
    )
    with pytest.raises(KeyboardInterrupt):
        finetune(checkpoint_folder, dataset_folder, tmp_path, LITTLE, replay=dataset_folder)
    monkeypatch.setattr(finetuning.SimTask, "play", play)
    successes.pop(0)
    report = finetune(checkpoint_folder, dataset_folder, tmp_path, LITTLE, replay=dataset_folder)
    assert [each["successes"] for each in report["checks"]] == [1, 3, 2]


def test_old_data_are_recorded_unless_given(
    checkpoint_folder: Path,
    dataset_folder: Path,
    tmp_path: Path,
    successes: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = tmp_path / "replay.yaml"
    recipe.write_text("{name: old, seed: 1, tasks: {reach: 2}, scenes: 4}")
    monkeypatch.setattr(finetuning, "REPLAY_RECIPE", recipe)
    finetune(checkpoint_folder, dataset_folder, tmp_path / "run", LITTLE, workers=1)
    old = DemonstrationDataset(tmp_path / "run/replay")
    assert old.num_episodes == 3 and old.image(0).shape == (32, 32, 3)


def test_without_old_data_none_are_recorded(
    checkpoint_folder: Path, dataset_folder: Path, tmp_path: Path, successes: list[int]
) -> None:
    finetune(checkpoint_folder, dataset_folder, tmp_path, LITTLE.model_copy(update={"replay": 0.0}))
    assert not (tmp_path / "replay").exists()
    assert json.loads((tmp_path / "checkpoint/run.json").read_text())["config"]["replay"] is None


def test_demonstrations_of_several_tasks_are_refused(
    checkpoint_folder: Path,
    dataset_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tasks = iter(["pick_up", "reach", "pick_up", "stack"])
    monkeypatch.setattr(DemonstrationDataset, "scene", lambda *_: {"task": next(tasks)})
    with pytest.raises(
        DataError, match="holds demonstrations of pick_up, reach, stack; give those of the one"
    ):
        finetune(checkpoint_folder, dataset_folder, tmp_path, LITTLE)


def test_the_recipe_of_old_data_is_one_that_can_be_recorded() -> None:
    import sim
    from vla.config import CollectRecipe
    from vla.config_files import load_config

    recipe = load_config(finetuning.REPLAY_RECIPE, CollectRecipe)
    assert recipe.tasks.keys() == sim.TASKS.keys() and all(recipe.tasks.values())
