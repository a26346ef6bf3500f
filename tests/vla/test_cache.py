from pathlib import Path

import numpy as np
import pytest

from vla.data import cache
from vla.data.cache import Arrays, cached_arrays, frame_arrays
from vla.data.reader import DemonstrationDataset

COLUMNS = {"squares": ((2,), "int64")}
calls: list[range] = []


def squares(rows: range) -> Arrays:
    calls.append(rows)
    numbers = np.array(rows)
    return {"squares": np.stack([numbers, numbers**2], axis=1)}


@pytest.fixture
def dataset(tmp_path: Path, write_demonstrations: object) -> DemonstrationDataset:
    assert callable(write_demonstrations)
    calls.clear()
    return DemonstrationDataset(write_demonstrations(tmp_path / "demos"))


def compute(dataset: DemonstrationDataset, count: int = 1100, facts: object = 0) -> np.ndarray:
    return cached_arrays(dataset, "squares", COLUMNS, count, squares, facts)["squares"]


def test_rows_are_computed_once(dataset: DemonstrationDataset) -> None:
    first = compute(dataset)
    assert first.tolist() == [[row, row**2] for row in range(1100)]
    assert [len(rows) for rows in calls] == [512, 512, 76]
    first[0] = 7  # a copy: the file stays as it is
    assert compute(dataset)[:2].tolist() == [[0, 0], [1, 1]]
    assert len(calls) == 3


def test_the_folder_that_one_is_in_can_be_named(
    dataset: DemonstrationDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute(dataset)
    monkeypatch.chdir(dataset.root)
    compute(DemonstrationDataset("."))
    assert len(calls) == 3, "the same cache"


def test_other_facts_and_other_data_are_other_rows(
    dataset: DemonstrationDataset, write_demonstrations: object
) -> None:
    compute(dataset)
    compute(dataset, facts={"seed": 1})
    compute(dataset, count=3)
    assert callable(write_demonstrations)
    other = DemonstrationDataset(write_demonstrations(dataset.root.with_name("other"), image_size=48))
    compute(other)
    assert len(calls) == 3 + 3 + 1 + 3


def test_other_code_gives_other_rows(dataset: DemonstrationDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    compute(dataset)
    monkeypatch.setattr(cache, "code_digest", lambda *folders: "changed")
    compute(dataset)
    assert len(calls) == 6


def test_a_failure_leaves_nothing(dataset: DemonstrationDataset) -> None:
    def broken(rows: range) -> Arrays:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_arrays(dataset, "squares", COLUMNS, 10, broken, 0)
    assert list((dataset.root.parent / "demos.cache").iterdir()) == []
    assert len(compute(dataset)) == 1100


def test_processes_compute_the_same(dataset: DemonstrationDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = np.array(frame_arrays(dataset, 24))
    monkeypatch.setattr(cache, "ROWS_WORTH_A_PROCESS", 20)
    monkeypatch.setattr(cache, "ROWS_PER_PIECE", 7)
    (folder,) = (dataset.root.parent / "demos.cache").iterdir()
    folder.rename(folder.with_name("away"))
    together = frame_arrays(dataset, 24)
    assert folder.is_dir()
    assert together.shape == (38, 24, 24, 3)
    assert np.array_equal(alone, together)
