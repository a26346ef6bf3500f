"""Who decides what the arm does next: the policy, the scripted expert (a ceiling) or chance (a floor)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from sim.experts import expert_action
from sim.scene import Scene
from vla.actions.bins import ACTION_DIM, TOKENS_PER_ACTION
from vla.types import ActionChunk, Observation

if TYPE_CHECKING:
    from vla.inference.engine import Engine

CAMERA = "front"


@dataclass(frozen=True)
class View:
    """One episode at one moment.

    Attributes:
        observation: what a policy sees and is told.
        scene: the truth, which only the expert may look at.
        seed: of the episode.
        step: actions executed so far.
    """

    observation: Observation
    scene: Mapping[str, Any]
    seed: int
    step: int


class Driver(Protocol):
    """Decides for several episodes at once."""

    def decide(self, views: Sequence[View]) -> list[ActionChunk]:
        """Return the next chunk of each episode."""


class PolicyDriver:
    """A trained policy."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    def decide(self, views: Sequence[View]) -> list[ActionChunk]:
        """Ask the policy, all episodes in one batch."""
        return self._engine.decide([view.observation for view in views])


class ExpertDriver:
    """The scripted expert of a task, which sees the truth."""

    def __init__(self, task: str) -> None:
        self._task = task

    def decide(self, views: Sequence[View]) -> list[ActionChunk]:
        """Ask the expert."""
        return [single(expert_action(self._task, cast(Scene, view.scene))) for view in views]


class RandomDriver:
    """Uniformly random actions, drawn from the episode's seed and step."""

    def decide(self, views: Sequence[View]) -> list[ActionChunk]:
        """Draw an action for each episode."""
        draws = [np.random.default_rng([view.seed, view.step]).uniform(-1, 1, ACTION_DIM) for view in views]
        return [single(draw.astype(np.float32)) for draw in draws]


def single(action: NDArray[np.float32], terminate: bool = False) -> ActionChunk:
    """A chunk of one action, float32[7], of which there is no doubt."""
    return ActionChunk(action[None], np.array([terminate]), np.ones((1, TOKENS_PER_ACTION), np.float32))
