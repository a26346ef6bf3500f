"""Record a scripted expert in a gymnasium environment that is not ours (recipes with an `env`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from vla.config import EnvRecipe
from vla.data.adapted import adapted_env, is_function, load_function, place_of
from vla.data.blocks import Attempt, Block, store_block
from vla.data.collect import FIRST_SEED, World, in_columns, record_plan
from vla.data.leading import EXECUTE, draw_lead, load_policy, policy_facts
from vla.data.schema import (
    ACTION,
    DONE,
    EXECUTED_ACTION,
    IMAGE_PREFIX,
    STATE,
    SUCCESS,
    Feature,
    arrow_schema,
    image_feature,
    scalar_feature,
    vector_feature,
)
from vla.data.writer import encode_png, episode_table
from vla.errors import ConfigError
from vla.files import code_digest
from vla.inference.chunking import ChunkPlayer


def collect_env(recipe: EnvRecipe, folder: Path, out: Path, workers: int = 2) -> dict[str, Any]:
    """Record the demonstrations that a recipe asks for.

    Args:
        recipe: what to record.
        folder: that the recipe's file is in, which the path of the expert is relative to.
        out: the dataset's folder; after a kill, finished blocks wait in `<out>.partial/` to be taken up.
        workers: number of processes.
    Returns:
        As `vla.data.collect.collect`.
    Raises:
        ConfigError: the recipe does not fit the env, or its expert cannot be found.
        DataError: `out` or work in progress is of something else, or the expert fails too often.
        StorageError: the disk refuses, or a worker process died.
    """
    folder = folder.resolve()
    load_function(recipe.expert, folder)
    if recipe.led:
        load_policy(recipe)
    world = describe_env(recipe, folder)
    work = partial(run_env_block, recipe, folder, world.features)
    return record_plan(world, {recipe.name: recipe.episodes}, work, out, workers)


def describe_env(recipe: EnvRecipe, folder: Path) -> World:
    """What the dataset says of where it was recorded; an episode is begun to count the state's numbers."""
    env = adapted_env(recipe.model_dump_json(), folder)
    env.reset(FIRST_SEED)
    state = env.observe().agent_pos
    image = image_feature(recipe.image_size, recipe.image_size)
    features = {IMAGE_PREFIX + camera: image for camera in recipe.images} | {
        STATE: vector_feature([f"state_{place}" for place in range(len(state))]),
        ACTION: vector_feature([f"action_{place}" for place in range(env.actions.shape[0])]),
        EXECUTED_ACTION: vector_feature([f"action_{place}" for place in range(env.actions.shape[0])]),
        SUCCESS: scalar_feature("bool"),
        DONE: scalar_feature("bool"),
    }
    facts = {"recipe": recipe.model_dump(mode="json"), "gymnasium": version("gymnasium")}
    functions = [name for name in (recipe.expert, recipe.prepare) if name is not None]
    functions += filter(is_function, recipe.images.values())
    files = {place_of(name, folder)[0] for name in functions}
    facts["code"] = code_digest(*sorted(filter(None, files)))
    return World(recipe.robot, recipe.fps, features, facts | policy_facts(recipe))


def run_env_block(
    recipe: EnvRecipe, source: Path, features: dict[str, Feature], folder: Path, block: Block
) -> list[Attempt]:
    """Do a block's attempts and store them in `folder`; runs in a worker."""
    expert = load_function(recipe.expert, source)
    attempts, episodes = [], []
    for number in block.attempts():
        columns, instruction, success = record_env_attempt(recipe, source, expert, number)
        attempts.append(Attempt(number, success, instruction, len(columns[ACTION]) if success else 0))
        if success:
            episodes.append(episode_table(features, columns))
    store_block(block.path(folder), arrow_schema(features), attempts, episodes)
    return attempts


def record_env_attempt(
    recipe: EnvRecipe, source: Path, expert: Callable[..., Any], number: int
) -> tuple[dict[str, list[Any]], str, bool]:
    """Let the expert try once; the label is its action, what is executed has noise or is a policy's own.

    Returns:
        Columns of T frames (feature -> values), the instruction, and whether the task was done.
    """
    env = adapted_env(recipe.model_dump_json(), source)
    seed = FIRST_SEED + int(np.random.SeedSequence([recipe.seed, number]).generate_state(1)[0]) % FIRST_SEED
    draw = np.random.default_rng(seed)
    lead = draw_lead(recipe.led, np.random.default_rng([seed, 5]))
    player = ChunkPlayer(EXECUTE)
    env.reset(seed, more_steps=len(lead))
    half = (env.actions.high - env.actions.low) / 2
    if recipe.noise and not np.isfinite(half).all():
        raise ConfigError(f"actions of env {recipe.env!r} have no bounds to scale `noise` by; set noise: 0")
    frames: list[dict[str, Any]] = []
    while not env.ended:
        action = np.asarray(expert(env.raw, env.info), np.float32)
        if action.shape != env.actions.shape or not np.isfinite(action).all():
            raise ConfigError(
                f"expert {recipe.expert!r} gave {action}; needed are {env.actions.shape[0]} numbers"
            )
        action = np.clip(action, env.actions.low, env.actions.high)
        executed = action
        if recipe.noise:
            noisy = action + recipe.noise * half * draw.standard_normal(len(action))
            executed = np.clip(noisy, env.actions.low, env.actions.high)
        seen = env.observe()
        if len(frames) in lead:
            if player.needs_chunk:
                player.add(load_policy(recipe).decide([seen])[0])
            executed = np.clip(player.next(), env.actions.low, env.actions.high)
        images = {IMAGE_PREFIX + camera: encode_png(picture) for camera, picture in seen.pixels.items()}
        frame = images | {STATE: seen.agent_pos, ACTION: action, EXECUTED_ACTION: executed}
        env.step(executed)
        frames.append(frame | {SUCCESS: env.success, DONE: env.ended})
    return in_columns(frames), env.instruction, env.success
