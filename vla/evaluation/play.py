"""Step an env by hand or by its scripted expert, and show it in the terminal (`vla play`)."""

from __future__ import annotations

import itertools
import sys
import termios
import time
import tty
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

import gymnasium
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.text import Text

import sim
from sim.experts import expert_action
from sim.robots.panda import CONTROL_HZ
from sim.scene import Scene
from vla.data.recording import CAMERAS as RECORDED
from vla.data.recording import IMAGE_SIZE as RECORDED_SIZE
from vla.data.recording import Recorder
from vla.errors import ConfigError
from vla.evaluation.rollout import Episode, Start

WIDTH = 72  # columns that a picture takes at most; a character is one pixel wide and two pixels high
TEXT_LINES = 4  # below the picture
IMAGE_SIZE = 288  # pixels, of the films
MOVES: dict[str, tuple[int, float]] = {
    "w": (0, -1.0),  # up, down, left and right in the front camera's picture
    "s": (0, 1.0),
    "a": (1, -1.0),
    "d": (1, 1.0),
    "r": (2, 1.0),
    "f": (2, -1.0),
    "q": (5, 1.0),
    "e": (5, -1.0),
}
"""Key -> entry of the action, and its value."""
GRIP, NEXT, QUIT = " ", "n", "x"
HELP = "w s a d: along the table  r f: up, down  q e: turn  space: gripper  n: new episode  x: quit"


@dataclass
class Session:
    """Episodes played so far.

    Args:
        task, split, camera: of the env.
        start: of the first episode; each next one has the next seed.
        pace: time that a step of the expert is shown, s.
        recorder: keeps the episodes that succeed, if wanted.
    """

    task: str
    split: str
    camera: str
    start: Start
    pace: float = 1 / CONTROL_HZ
    console: Console = field(default_factory=lambda: Console(stderr=True))
    recorder: Recorder | None = None

    def by_expert(self, show: bool) -> Episode:
        """Let the scripted expert play one episode, and show every step if wanted."""
        with self._env() as env:
            observation, info = self._begin(env, self.start.seed)
            frames = [observation["pixels"][self.camera]]
            ended = False
            while not ended:
                if show:
                    self._show(frames[-1], info, len(frames) - 1)
                    time.sleep(self.pace)
                action = expert_action(self.task, cast(Scene, info["scene"]))
                observation, ended, info = self._step(env, action, observation, info)
                frames.append(observation["pixels"][self.camera])
            if show:
                self._show(frames[-1], info, len(frames) - 1)
            self._save(info)
        return self._episode(self.start.seed, frames, info)

    def by_keyboard(self) -> list[Episode]:
        """Play episodes by hand until the player quits.

        Raises:
            ConfigError: keys cannot be read, since the standard input is no terminal.
        """
        if not sys.stdin.isatty():
            raise ConfigError(
                "keys are read from a terminal, and this is none; use --expert to watch the expert"
            )
        episodes: list[Episode] = []
        key = NEXT
        with self._env() as env, _keys() as keys:
            while key == NEXT:
                episode, key = self._by_hand(env, self.start.seed + len(episodes), keys)
                episodes.append(episode)
        return episodes

    def _by_hand(self, env: gymnasium.Env[Any, Any], seed: int, keys: Iterator[str]) -> tuple[Episode, str]:
        """Play one episode; returns with it the key that ended it, NEXT or QUIT."""
        observation, info = self._begin(env, seed)
        frames = [observation["pixels"][self.camera]]
        gripper, over, key = 1.0, False, QUIT
        self._show(frames[-1], info, 0)
        for key in itertools.chain(keys, QUIT):
            if key in (NEXT, QUIT):
                break
            gripper = -gripper if key == GRIP else gripper
            action = action_of(key, gripper)
            if action is None or over:
                continue
            observation, over, info = self._step(env, action, observation, info)
            frames.append(observation["pixels"][self.camera])
            self._show(frames[-1], info, len(frames) - 1)
            if over:
                done = info["is_success"]
                self.console.print(f"{'done' if done else 'time is up'}; n: new episode, x: quit")
                self._save(info)
        return self._episode(seed, frames, info), key

    def _begin(self, env: gymnasium.Env[Any, Any], seed: int) -> tuple[Any, dict[str, Any]]:
        if self.recorder is not None:
            self.recorder.begin()
        return env.reset(seed=seed, options=dict(self.start.options))

    def _step(
        self,
        env: gymnasium.Env[Any, Any],
        action: NDArray[np.float32],
        observation: Any,
        info: dict[str, Any],
    ) -> tuple[Any, bool, dict[str, Any]]:
        """Do an action and keep it; returns what is seen then, and whether the episode is over."""
        after, _, done, late, info_after = env.step(action)
        if self.recorder is not None:
            self.recorder.add(observation, info, action, bool(info_after["is_success"]))
        return after, done or late, info_after

    def _save(self, info: Mapping[str, Any]) -> None:
        """Keep the episode, at once: nothing that comes later can lose it."""
        if self.recorder is not None:
            number = self.recorder.save(str(info["instruction"]))
            kept = "not kept, since it did not succeed" if number is None else f"kept as episode {number}"
            self.console.print(f"{kept} of {self.recorder.root}", highlight=False, soft_wrap=True)

    @contextmanager
    def _env(self) -> Iterator[gymnasium.Env[Any, Any]]:
        env = gymnasium.make(
            sim.TASKS[self.task],
            disable_env_checker=True,
            split=self.split,
            image_size=RECORDED_SIZE if self.recorder else IMAGE_SIZE,
            cameras=tuple(dict.fromkeys((*RECORDED, self.camera))) if self.recorder else (self.camera,),
        )
        try:
            yield env
        finally:
            env.close()

    def _show(self, picture: NDArray[np.uint8], info: Mapping[str, Any], step: int) -> None:
        if self.console.is_terminal:
            self.console.clear()
        print_picture(self.console, picture)
        won = "  SUCCESS" if info["is_success"] else ""
        self.console.print(f"{info['instruction']}   step {step}{won}", highlight=False)
        self.console.print(HELP, style="dim", highlight=False)

    def _episode(self, seed: int, frames: list[NDArray[np.uint8]], info: Mapping[str, Any]) -> Episode:
        success = bool(info["is_success"])
        return Episode(
            start=Start(seed, self.start.options),
            instruction=str(info["instruction"]),
            target=str(info["scene"]["target"]),
            success=success,
            ending="success" if success else "time",
            steps=len(frames) - 1,
            first_reached=None,
            failure=None,
            frames=np.stack(frames),
            plans=(None,) * len(frames),
        )


def action_of(key: str, gripper: float) -> NDArray[np.float32] | None:
    """The action of a key, float32[7], with the gripper at -1 or +1; None for a key without one."""
    if key != GRIP and key not in MOVES:
        return None
    action = np.zeros(7, np.float32)
    action[6] = gripper
    if key in MOVES:
        index, value = MOVES[key]
        action[index] = value
    return action


def print_picture(console: Console, picture: NDArray[np.uint8]) -> None:
    """Draw a picture uint8[H, W, 3] with coloured characters, as large as fits above some lines of text."""
    room = min(console.width, 2 * (console.height - TEXT_LINES))
    console.print(as_text(picture, min(WIDTH, room)))


def as_text(picture: NDArray[np.uint8], width: int) -> Text:
    """A picture uint8[H, W, 3] as lines of half blocks, each character two pixels, one above the other."""
    height = 2 * round(width * picture.shape[0] / picture.shape[1] / 2)
    small = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX)).tolist()
    text = Text()
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        for (r, g, b), (r2, g2, b2) in zip(upper, lower, strict=True):
            text.append("▀", style=f"rgb({r},{g},{b}) on rgb({r2},{g2},{b2})")
        text.append("\n")
    return text


@contextmanager
def _keys() -> Iterator[Iterator[str]]:
    """Keys as they are pressed, without Enter, until Ctrl-C; the terminal is left as it was."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield _pressed()
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _pressed() -> Iterator[str]:
    with suppress(KeyboardInterrupt):
        yield from iter(lambda: sys.stdin.read(1), "")
