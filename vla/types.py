"""What goes into the agent and what comes out of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Observation:
    """What the agent sees and is told at one step.

    Attributes:
        pixels: camera name -> uint8[H, W, 3], RGB.
        agent_pos: float32[S], the robot's own state; positions in metres, angles in radians.
        instruction: what to do, in English or Japanese.
    """

    pixels: dict[str, NDArray[np.uint8]]
    agent_pos: NDArray[np.float32]
    instruction: str


@dataclass(frozen=True)
class ActionChunk:
    """The next H actions.

    Attributes:
        actions: float32[H, A] in the unit of the demonstrations; of our simulator's robot A is 7: dx dy dz
            droll dpitch dyaw gripper, each in [-1, 1].
        terminate: bool[H], True where the agent says that the task is done.
        token_probabilities: float32[H, 1 + A], probability of each chosen token, terminate first.
        plan: place (x, y) on the table that the hand moves to, m; None from a model that makes no plan.
    """

    actions: NDArray[np.float32]
    terminate: NDArray[np.bool_]
    token_probabilities: NDArray[np.float32]
    plan: tuple[float, float] | None = None


@dataclass(frozen=True)
class Answer:
    """What the agent says about an image.

    Attributes:
        text: the answer in words; each place in it reads "x=0.500 m, y=-0.100 m".
        confidence: probability that the answer is right, 0..1; its likelihood, where nothing better is known.
        point: the place when the answer is one place alone, else None.
        places: every place in the answer, in order: (x, y) on the table in metres, robot base frame.
        token_probabilities: float32[T], probability of each token of the answer, in order; of a location
            token that of all that lie near it.
        guess: what would have been said, where the answer is "I don't know" because that is too uncertain.
    """

    text: str
    confidence: float
    point: tuple[float, float] | None
    places: tuple[tuple[float, float], ...]
    token_probabilities: NDArray[np.float32]
    guess: str | None = None

    @property
    def likelihood(self) -> float:
        """Probability of the whole answer under the model, its places give or take a centimetre or two."""
        return float(np.prod(self.token_probabilities, dtype=np.float64))
