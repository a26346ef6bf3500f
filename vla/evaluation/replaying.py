"""Play recorded actions back in the simulator, to see whether they still do what they did (`vla replay`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vla.data.reader import DemonstrationDataset
from vla.data.schema import ACTION, EXECUTED_ACTION
from vla.errors import ConfigError
from vla.evaluation.drivers import View, single
from vla.evaluation.rollout import Episode, Start, rollout
from vla.types import ActionChunk


class RecordedDriver:
    """Does what was recorded, then says that it is done.

    Args:
        actions: number of an episode, which is the seed of its replay -> float32[T, 7].
    """

    def __init__(self, actions: dict[int, NDArray[np.float32]]) -> None:
        self._actions = actions

    def decide(self, views: Sequence[View]) -> list[ActionChunk]:
        """Read each episode's next action."""
        return [self._next(self._actions[view.seed], view.step) for view in views]

    def _next(self, actions: NDArray[np.float32], step: int) -> ActionChunk:
        return single(actions[min(step, len(actions) - 1)], terminate=step >= len(actions))


def replay(dataset: DemonstrationDataset, numbers: Sequence[int], record: int = 0) -> dict[int, Episode]:
    """Put up the scene of each episode's first frame and carry out what was carried out then.

    Args:
        dataset: with true scenes; the actions are those executed, noise included, where they are recorded.
        numbers: of episodes.
        record: how many of each task keep their pictures.
    Returns:
        Number -> what happened. Scenes are stored to 0.1 mm, so that a grasp that barely held may slip.
    Raises:
        ConfigError: a number is no demonstration's.
        DataError: the dataset has no scenes.
        SimError: a scene is of a task that is not known here.
    """
    known = dataset.demonstrations
    for number in sorted(set(numbers) - set(known)):
        shown = f"they are {known[0]} to {known[-1]}" if known else "there is none"
        raise ConfigError(f"episode {number} of {dataset.root} is no demonstration; {shown}")
    executed = dataset.column(EXECUTED_ACTION if EXECUTED_ACTION in dataset.info["features"] else ACTION)
    actions: dict[int, NDArray[np.float32]] = {}
    starts: defaultdict[tuple[str, str], list[Start]] = defaultdict(list)
    for number in numbers:
        frames = np.flatnonzero(dataset.episode_index == number)
        scene: dict[str, Any] = dataset.scene(int(frames[0]))
        actions[number] = executed[frames].astype(np.float32)
        starts[scene["task"], scene["split"]].append(Start(number, {"scene": scene}))
    played = (
        rollout(task, RecordedDriver(actions), part, split=split, execute=1, record=record)
        for (task, split), part in starts.items()
    )
    return {episode.start.seed: episode for part in played for episode in part}
