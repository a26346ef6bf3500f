"""Talk with a robot in simulation: it answers questions about what it sees, and acts (`vla chat`)."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

import sim
from sim.language.vocabulary import vocabulary
from vla.config import check_seed
from vla.evaluation.drivers import CAMERA, PolicyDriver, View
from vla.evaluation.refusal import refusal
from vla.text.prompt import clean_instruction, language_of
from vla.types import Observation

if TYPE_CHECKING:
    from vla.inference.engine import Engine

QUESTION = re.compile(
    r"[?？]\s*$|か[。\s]*$|(教えて|答えて|数えて|示して|指して|挙げて)(ください)?[。\s]*$"
    r"|^\s*(what|where|which|who|why|how|is|are|was|were|does|do|did|has|have|can|could|would|tell|count|list"
    r"|name|point|show|find|describe|say|give me the)\b",
    re.IGNORECASE,
)
"""What asks for words; all else is told to be done."""
DID_IT_WORK = re.compile(
    r"did (it|that) work|are you (done|finished)|is it done|did you (do|manage) (it|that)"
    r"|(でき|終わ|済み|うまくい)\w*(か|？|\?|た)",
    re.IGNORECASE,
)
"""A question about the last instruction."""
REQUEST = re.compile(
    r"^\s*(please\s+)?(can|could|would|will)\s+you\s+(please\s+)?(?!(see|tell|say|name|count|list|show|find|point)\b)",
    re.IGNORECASE,
)
"""A polite way to begin an instruction."""
FORESEEN = 2, 4
"""So many of the last so many decisions foresee the end when an instruction counts as carried out."""
SAID = {
    "en": {"done": "i think that i am done, after {steps} steps", "stopped": "i stopped after {steps} steps"},
    "ja": {"done": "{steps}手で終わったと思います", "stopped": "{steps}手で止まりました"},
}


class Chat:
    """One session: an env that stays as the robot leaves it, and what was asked of it last.

    Args:
        engine: the policy.
        task: a name in `sim.TASKS`; the scene is drawn as for it.
        split: a name in `sim.variations.SPLITS`.
        seed: of the scene.
        execute: actions executed of each chunk.
        steps: actions at most for one instruction.
    Raises:
        SimError: an unknown task or split.
        ConfigError: the seed is negative.
    """

    def __init__(
        self, engine: Engine, task: str, split: str, seed: int, execute: int = 2, steps: int = 100
    ) -> None:
        check_seed(seed)
        self.engine, self.execute, self.steps, self.seed = engine, execute, steps, seed
        self.driver = PolicyDriver(engine)
        self.env: Any = gymnasium.make(
            sim.TASKS[task],
            disable_env_checker=True,
            split=split,
            image_size=engine.config.image_size,
            cameras=engine.config.cameras,
        ).unwrapped  # a conversation has no time limit
        self.observation, info = self.env.reset(seed=seed)
        self.scene: dict[str, Any] = info["scene"]
        self.instruction: str | None = None

    @property
    def picture(self) -> NDArray[np.uint8]:
        """What the robot sees now, uint8[H, H, 3]."""
        pixels: NDArray[np.uint8] = self.observation["pixels"][CAMERA]
        return pixels

    def reply(self, text: str) -> str:
        """Answer a question, or carry out an instruction and say how that went.

        Raises:
            InstructionError: the text cannot be used.
        """
        if self.instruction is not None and DID_IT_WORK.search(text):
            template = vocabulary(language_of(self.instruction)).questions["done"][0]
            return self._answer(template.format(instruction=clean_instruction(self.instruction)))
        request = REQUEST.match(text)
        if request:
            text = text[request.end() :].rstrip("?？ ")
        elif QUESTION.search(text):
            return self._answer(text)
        return refusal(self.engine, self.picture, text) or self._act(text)

    def _answer(self, question: str) -> str:
        (answer,) = self.engine.ask(np.stack([self.picture]), [question])
        return self.engine.calibration.hold_back(answer, question).text

    def _act(self, instruction: str) -> str:
        """Act until the end is foreseen.

        Demonstrations end with the action that brings success, so a policy has learned where in a chunk the
        end comes, and hardly that it has come: nothing but success ends its rollouts.
        """
        self.instruction = instruction
        needed, last = FORESEEN
        ends: deque[bool] = deque(maxlen=last)
        step = 0
        while step < self.steps:
            seen = Observation(self.observation["pixels"], self.observation["agent_pos"], instruction)
            (chunk,) = self.driver.decide([View(seen, self.scene, self.seed, step)])
            ends.append(bool(chunk.terminate.any()))
            over = ends[-1] and sum(ends) >= needed
            left = int(chunk.terminate.argmax()) if over else self.execute
            for action in chunk.actions[: min(left, self.execute, self.steps - step)]:
                self.observation, _, _, _, info = self.env.step(action)
                self.scene = info["scene"]
                step += 1
            if over:
                return SAID[language_of(instruction)]["done"].format(steps=step)
        return SAID[language_of(instruction)]["stopped"].format(steps=step)

    def close(self) -> None:
        """End the simulation."""
        self.env.close()
