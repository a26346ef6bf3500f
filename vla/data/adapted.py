"""Any gymnasium environment as our agent meets ours: pictures, a state, an instruction and success."""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

import gymnasium
import numpy as np

from vla.config import EnvRecipe
from vla.errors import ConfigError, describe_unknown, unknown_name
from vla.model.processing_vla import square_image
from vla.types import Observation

RENDERED = "render"
SLICE = re.compile(r"(.*?)(?:\[(\d*):(\d*)\])?")


class AdaptedEnv:
    """A gymnasium env, seen through its recipe.

    Attributes:
        env: the environment itself.
        limit: steps after which an episode is over.
        raw: its observation; info: its info.
        instruction: of the episode.
        success: whether the task is done.
        ended: whether the episode is over.

    Args:
        recipe: what is where.
        folder: that files named in it are relative to.
    Raises:
        ConfigError: there is no such env, or it does not have what the recipe says.
    """

    def __init__(self, recipe: EnvRecipe, folder: Path) -> None:
        self.recipe = recipe
        try:
            with quiet_stdout():
                self.env: gymnasium.Env[Any, Any] = gymnasium.make(
                    recipe.env, max_episode_steps=-1, **recipe.kwargs
                )
        except (gymnasium.error.Error, ImportError, TypeError) as error:
            raise ConfigError(f"env {recipe.env!r} cannot be made: {error}") from error
        space = self.env.action_space
        if not isinstance(space, gymnasium.spaces.Box) or len(space.shape) != 1:
            raise ConfigError(f"actions of env {recipe.env!r} are {space}; needed is a Box of one dimension")
        self.actions = space
        limit = recipe.max_episode_steps
        if limit is None and self.env.spec is not None:
            limit = gymnasium.spec(self.env.spec.id).max_episode_steps
        self.limit = math.inf if limit is None else limit
        if recipe.prepare is not None:
            load_function(recipe.prepare, folder)(self.env)
        self._views = {
            place: load_function(place, folder) for place in recipe.images.values() if is_function(place)
        }
        self.instruction = ""

    def reset(self, seed: int, more_steps: int = 0) -> None:
        """Begin an episode, of so many steps more than others; the instruction follows from the seed, too."""
        self.raw, self.info = self.env.reset(seed=seed)
        self._left = self.limit + more_steps
        recipe, self.success, self.ended = self.recipe, False, False
        if recipe.instruction_at is None:
            draw = np.random.default_rng([seed, 4])
            self.instruction = recipe.instruction[int(draw.integers(len(recipe.instruction)))]
        else:
            self.instruction = str(_at(self.info, recipe.instruction_at, "instruction_at"))

    def step(self, action: np.ndarray) -> None:
        """Carry out an action, float32[A], cut off at the bounds of the env."""
        inside = np.clip(action, self.actions.low, self.actions.high).astype(self.actions.dtype)
        self.raw, _, terminated, truncated, self.info = self.env.step(inside)
        self.success = bool(_at(self.info, self.recipe.success, "success"))
        self._left -= 1
        self.ended = self.success or bool(terminated) or bool(truncated) or self._left <= 0

    def close(self) -> None:
        """Free what the env holds."""
        self.env.close()

    def observe(self) -> Observation:
        """What can be seen now; drawing it may take longer than a step."""
        pixels = {camera: self._picture(camera, place) for camera, place in self.recipe.images.items()}
        parts = [_numbers(self.raw, place) for place in self.recipe.state]
        return Observation(pixels, np.concatenate(parts).astype(np.float32), self.instruction)

    def _picture(self, camera: str, place: str) -> np.ndarray:
        if place == RENDERED:
            found: Any = self.env.render()
        elif place in self._views:
            found = self._views[place](self.env)
        else:
            found = _at(self.raw, place, f"images.{camera}")
        picture = np.asarray(found)
        if picture.ndim != 3 or picture.shape[2] not in (3, 4):
            hint = "; give render_mode: rgb_array in `kwargs`" if found is None else ""
            raise ConfigError(
                f"images.{camera}: {place} is no picture of shape [H, W, 3] but {picture.shape}{hint}"
            )
        if picture.dtype != np.uint8:
            raise ConfigError(f"images.{camera}: {place} is of {picture.dtype}; needed is uint8, 0 to 255")
        return square_image(picture[..., :3], self.recipe.image_size)


def _at(data: Any, place: str, field: str) -> Any:
    """What lies at a place; where there are no keys, the place is the whole."""
    for key in place.split("/"):
        if not isinstance(data, Mapping):
            raise ConfigError(f"{field}: {place!r} leads nowhere; {data!r:.60} has no keys")
        if key not in data:
            raise ConfigError(describe_unknown(f"key in {field}", key, [str(name) for name in data]))
        data = data[key]
    return data


def _numbers(data: Any, place: str) -> np.ndarray:
    """The numbers at a place, or some of them: `observation`, `robot/joints`, `observation[0:6]`."""
    whole, begin, end = SLICE.fullmatch(place).groups()  # type: ignore[union-attr]
    found = _at(data, whole, "state")
    if isinstance(found, Mapping):
        raise ConfigError(f"state: {place!r} has the keys {', '.join(map(str, found))}; name one of them")
    return np.ravel(found)[int(begin or 0) : int(end) if end else None]


@cache
def adapted_env(recipe_json: str, folder: Path) -> AdaptedEnv:
    """The env of a recipe (as JSON), made once in a process and closed at its end."""
    env = AdaptedEnv(EnvRecipe.model_validate_json(recipe_json), folder)
    atexit.register(env.close)
    return env


def load_function(name: str | None, folder: Path) -> Callable[..., Any]:
    """The function that a recipe names as FILE.py:FUNCTION or MODULE:FUNCTION.

    Raises:
        ConfigError: it cannot be loaded, or none is named.
    """
    file, function = place_of(name, folder)
    try:
        if file is None:
            module = importlib.import_module(str(name).rpartition(":")[0])
        else:
            own = f"vla_file_{file.stem}"
            spec = importlib.util.spec_from_file_location(own, file)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[own] = module  # where dataclasses look for the module that they are of
            spec.loader.exec_module(module)
    except Exception as error:  # whatever the file does
        raise ConfigError(f"{name} cannot be loaded: {type(error).__name__}: {error}") from error
    found = getattr(module, function, None)
    if not callable(found):
        functions = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
        raise unknown_name("function", function, functions, f"It stands in {name}")
    return cast(Callable[..., Any], found)


def is_function(place: str) -> bool:
    """Whether the place of a picture names a function instead, as `load_function` takes it."""
    return ":" in place


def place_of(name: str | None, folder: Path) -> tuple[Path | None, str]:
    """File of a function, or None where it is in a module, and its name."""
    place, colon, function = (name or "").rpartition(":")
    if not (place and colon and function):
        raise ConfigError(f"a function is named FILE.py:FUNCTION or MODULE:FUNCTION; the recipe has {name!r}")
    return (folder / place if place.endswith(".py") else None), function


@contextmanager
def quiet_stdout() -> Iterator[None]:
    """Silence what a library in C prints on the standard output, where it would spoil our own."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)
