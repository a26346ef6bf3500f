"""Change a recording: add episodes, leave some out, tell them otherwise (`vla edit`, `vla play --record`).

The dataset is written anew beside the old one and takes its place when it is complete: nothing is lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vla.data.reader import DemonstrationDataset
from vla.data.schema import (
    DEFAULT_FEATURES,
    INFO_PATH,
    SCENE,
    STATS_PATH,
    Feature,
    arrow_schema,
    compact_json,
    to_arrow,
)
from vla.data.writer import DatasetWriter, episode_table
from vla.errors import ConfigError, DataError
from vla.text.prompt import clean_instruction

Episode = tuple[pa.Table, list[str]]
"""An episode without LeRobot's index columns, and the instruction of each frame."""


def add_episode(
    root: Path,
    features: Mapping[str, Feature],
    columns: Mapping[str, Sequence[Any] | np.ndarray],
    instruction: str,
    *,
    fps: int,
    robot_type: str,
) -> int:
    """Add an episode to a dataset, or begin one with it.

    Args:
        root: the dataset's folder.
        features: of the episode: see `vla.data.writer.DatasetWriter`.
        columns: see `vla.data.writer.episode_table`.
        instruction: what was to be done.
        fps: frames per second.
        robot_type: the embodiment.
    Returns:
        The episode's number.
    Raises:
        DataError: the dataset there is of other features, rate or robot.
        StorageError: the disk refuses; the dataset is as it was.
    """
    new = [(episode_table(features, columns), [instruction] * len(next(iter(columns.values()))))]
    if not root.exists():
        _write(root, features, fps, robot_type, new, {}, [])
        return 0
    dataset = check_fits(root, features, fps=fps, robot_type=robot_type)
    _rewrite(dataset, [*_episodes(dataset), *new])
    return dataset.num_episodes


def check_fits(
    root: Path, features: Mapping[str, Feature], *, fps: int, robot_type: str
) -> DemonstrationDataset:
    """Open a dataset that episodes shall be added to.

    Raises:
        DataError: it is of other features, rate or robot.
    """
    dataset = DemonstrationDataset(root)
    found = _own_features(dataset), dataset.info["fps"], dataset.robot_type
    for what, there, here in zip(
        ("features", "frames per second", "robot"), found, (dict(features), fps, robot_type), strict=True
    ):
        if there != here:
            raise DataError(f"{root} holds a recording with other {what}; choose another folder")
    return dataset


def delete_episodes(root: Path, numbers: Iterable[int]) -> None:
    """Leave episodes out; those behind them move up.

    Raises:
        ConfigError: there is no such episode, or none would be left.
        StorageError: the disk refuses; the dataset is as it was.
    """
    dataset = DemonstrationDataset(root)
    gone = _checked(dataset, numbers)
    if len(gone) == dataset.num_episodes:
        raise ConfigError(f"no episode of {root} would be left; delete the folder instead")
    _rewrite(dataset, [part for number, part in enumerate(_episodes(dataset)) if number not in gone])


def relabel_episodes(root: Path, numbers: Iterable[int], instruction: str) -> None:
    """Give episodes another instruction.

    Raises:
        ConfigError: there is no such demonstration.
        InstructionError: the instruction cannot be used.
        StorageError: the disk refuses; the dataset is as it was.
    """
    dataset = DemonstrationDataset(root)
    told, clean = _checked(dataset, numbers), clean_instruction(instruction)
    for number in sorted(told - set(dataset.demonstrations)):
        raise ConfigError(f"episode {number} of {root} is of scenes in which nothing is done; leave it so")
    _rewrite(
        dataset,
        [
            _relabelled(*part, clean) if number in told else part
            for number, part in enumerate(_episodes(dataset))
        ],
    )


def _relabelled(table: pa.Table, tasks: list[str], instruction: str) -> Episode:
    if SCENE in table.column_names:
        scenes = [json.loads(scene) | {"instruction": instruction} for scene in table[SCENE].to_pylist()]
        texts = [compact_json(scene) for scene in scenes]
        place = table.column_names.index(SCENE)
        table = table.set_column(place, SCENE, to_arrow(SCENE, {"dtype": "string", "shape": [1]}, texts))
    return table, [instruction] * len(tasks)


def _checked(dataset: DemonstrationDataset, numbers: Iterable[int]) -> set[int]:
    chosen = set(numbers)
    for number in sorted(chosen):
        if not 0 <= number < dataset.num_episodes:
            raise ConfigError(
                f"{dataset.root} has no episode {number}; it has 0 to {dataset.num_episodes - 1}"
            )
    return chosen


def _own_features(dataset: DemonstrationDataset) -> dict[str, Feature]:
    return {key: value for key, value in dataset.info["features"].items() if key not in DEFAULT_FEATURES}


def _episodes(dataset: DemonstrationDataset) -> Iterator[Episode]:
    schema = arrow_schema(_own_features(dataset))
    for table in dataset.episodes():
        tasks = [dataset.instruction(frame) for frame in table["index"].to_pylist()]
        yield table.select(schema.names).replace_schema_metadata(None).cast(schema), tasks


def _rewrite(dataset: DemonstrationDataset, episodes: Iterable[Episode]) -> None:
    ours = {INFO_PATH, STATS_PATH}
    paths = (path for path in (dataset.root / "meta").glob("*.json") if f"meta/{path.name}" not in ours)
    metadata = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    others = [path for path in dataset.root.iterdir() if path.name not in ("data", "meta")]
    features, fps = _own_features(dataset), dataset.info["fps"]
    _write(dataset.root, features, fps, dataset.robot_type, episodes, metadata, others)


def _write(
    root: Path,
    features: Mapping[str, Feature],
    fps: int,
    robot_type: str,
    episodes: Iterable[Episode],
    metadata: Mapping[str, Any],
    others: Iterable[Path],
) -> None:
    with DatasetWriter(root, fps=fps, robot_type=robot_type, features=features) as writer:
        for table, tasks in episodes:
            writer.add_table(table, tasks)
        for name, content in metadata.items():
            writer.write_metadata(name, content)
        for path in others:
            writer.keep(path)
