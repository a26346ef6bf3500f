"""Record demonstrations: scripted experts in the simulator, in parallel processes, to a dataset on disk.

Everything that an attempt does follows from the recipe and the attempt's number, so the dataset is the same
to the byte whatever the number of workers and however often the run was killed and resumed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import gymnasium
import numpy as np
import pyarrow.parquet as pq

import sim
from sim.experts import Subgoal, expert_action, perturb, steer, stray
from sim.language import LANGUAGES, caption, questions
from sim.plugins import plugin_files
from sim.scene import Scene
from sim.tasks import TASK_CLASSES
from sim.variations import SPLITS
from vla.config import CollectRecipe
from vla.data.blocks import Attempt, Block, Plan, run_plan, store_block
from vla.data.leading import EXECUTE, LEAD_STEPS, draw_lead, load_policy, policy_facts
from vla.data.schema import (
    ACTION,
    CAPTIONS,
    DONE,
    EXECUTED_ACTION,
    IMAGE_PREFIX,
    INFO_PATH,
    QUESTIONS,
    ROBOT_TYPE,
    SCENE,
    STATE,
    STILL_INSTRUCTION,
    SUCCESS,
    Feature,
    arrow_schema,
    compact_json,
    image_feature,
    scalar_feature,
    vector_feature,
)
from vla.data.writer import DatasetWriter, encode_png, episode_table
from vla.errors import ConfigError, DataError, unknown_name
from vla.files import atomic_write, code_digest
from vla.inference.chunking import ChunkPlayer
from vla.types import Observation

Posed = tuple[dict[str, Any], np.ndarray]
"""A frame and its action."""
ACTION_NAMES = ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"]
CLEAN_SHARE = 0.25
"""Share of episodes whose executed actions carry no noise."""
LATEST_DETOUR = 10
"""Last step at which the hand may begin to stray."""
DETOUR_STEPS = (2, 6)
"""Fewest and most steps that it strays; a step leads 5 cm along each axis."""
FIRST_SEED = 2**31
"""Demonstrations use env seeds from here to 2**32: evaluation on small seeds never meets a training scene."""
STILLS, MOMENTS = "stills", "moments"
"""Stand for the still scenes and the moments beside the task names."""
DIGITS = 4
"""Decimals of the numbers in stored scenes: lengths to 0.1 mm, angles and quaternions as finely."""
REPORT = "collection"
"""Name of the metadata file with what was recorded and how."""


def collect(recipe: CollectRecipe, out: Path, workers: int = 2) -> dict[str, Any]:
    """Record the demonstrations and still scenes that a recipe asks for.

    A dataset that is complete already is left as it is.

    Args:
        recipe: what to record.
        out: the dataset's folder; after a kill, finished blocks wait in `<out>.partial/` to be taken up.
        workers: number of processes.
    Returns:
        What `meta/collection.json` holds, and of this run: `out`, `seconds`, `new_frames` and
        `frames_per_second`.
    Raises:
        ConfigError: the recipe asks for nothing, or `workers` is below 1.
        UnknownNameError: the recipe names an unknown task.
        DataError: `out` or work in progress is of something else, or an expert fails too often.
        StorageError: the disk refuses, or a worker process died.
    """
    targets = _targets(recipe)
    return record_plan(describe_world(recipe), targets, partial(run_block, recipe), out, workers)


def record_plan(
    world: World,
    targets: dict[str, int],
    work: Callable[[Path, Block], list[Attempt]],
    out: Path,
    workers: int,
) -> dict[str, Any]:
    """Record so many episodes of each task, block by block, and join them into a dataset.

    Args:
        world: what the dataset says of where it was recorded.
        targets: task -> successful attempts asked for.
        work: does a block and stores its result in the folder given; must be picklable.
        out: see `collect`.
        workers: number of processes.
    """
    if workers < 1:
        raise ConfigError(f"--workers is {workers}; it must be at least 1")
    out = Path(os.path.abspath(out))
    started = time.monotonic()
    frames = 0
    if not _is_complete(out, world.facts):
        folder = out.with_name(out.name + ".partial")
        _claim(folder, world.facts)
        plan = Plan(targets)
        frames = run_plan(plan, partial(work, folder), folder, workers)
        _join(plan, world, out, folder)
        shutil.rmtree(folder)
    report: dict[str, Any] = json.loads((out / f"meta/{REPORT}.json").read_text(encoding="utf-8"))
    seconds = time.monotonic() - started
    rate = {"seconds": seconds, "new_frames": frames, "frames_per_second": frames / seconds}
    return report | {"out": str(out)} | rate


@dataclass(frozen=True)
class World:
    """What a dataset says of where it was recorded.

    Attributes:
        robot_type: the embodiment.
        fps: control steps per second.
        features: feature -> {dtype, shape, names}.
        facts: the recipe, the simulator's version and the meaning of the actions.
    """

    robot_type: str
    fps: int
    features: dict[str, Feature]
    facts: dict[str, Any]


def describe_world(recipe: CollectRecipe) -> World:
    """Ask the env of a recipe what it is.

    Raises:
        ConfigError: the env runs at another rate than the recipe says, or its policy is not there.
    """
    env: Any = _environment(recipe, _stills_task(recipe)).unwrapped
    fps = int(env.metadata["render_fps"])
    if recipe.fps != fps:
        raise ConfigError(f"recipe {recipe.name!r} has fps {recipe.fps}; the simulator's rate is {fps}")
    image = image_feature(recipe.image_size, recipe.image_size)
    features = {IMAGE_PREFIX + camera: image for camera in recipe.cameras} | {
        STATE: vector_feature(env.state_names),
        ACTION: vector_feature(ACTION_NAMES),
        EXECUTED_ACTION: vector_feature(ACTION_NAMES),
        SUCCESS: scalar_feature("bool"),
        DONE: scalar_feature("bool"),
        SCENE: scalar_feature("string"),
    }
    features |= {name: scalar_feature("string") for name in _texts(recipe)}
    facts = {
        "recipe": recipe.model_dump(mode="json"),
        "clean_share": CLEAN_SHARE,
        "renderer": env.renderer,  # policies degrade across renderers, so a dataset names its own
        "action_scale": [env.position_scale] * 3 + [env.rotation_scale] * 3 + [1.0],
        "pybullet": version("pybullet"),
        "code": _code_digest(),
    }
    if plugin_files():
        facts["plugins"] = code_digest(*plugin_files())
    return World(ROBOT_TYPE, fps, features, facts | policy_facts(recipe))


def run_block(recipe: CollectRecipe, folder: Path, block: Block) -> list[Attempt]:
    """Do a block's attempts and store them in `folder`; runs in a worker.

    Returns:
        The attempts, in order.
    """
    features = _own_features(recipe)
    attempts, episodes = [], []
    for number in block.attempts():
        if block.task in (STILLS, MOMENTS):
            left = _pictures(recipe, block.task) - number * recipe.frames_per_scene_episode
            if left <= 0:
                break
            count = min(left, recipe.frames_per_scene_episode)
            columns, instruction, success = record_posed(recipe, block.task, number, count)
        else:
            columns, instruction, success = record_attempt(recipe, block.task, number)
        attempts.append(Attempt(number, success, instruction, len(columns[ACTION]) if success else 0))
        if success:
            episodes.append(episode_table(features, columns))
    store_block(block.path(folder), arrow_schema(features), attempts, episodes)
    return attempts


def record_attempt(recipe: CollectRecipe, task: str, number: int) -> tuple[dict[str, list[Any]], str, bool]:
    """Let the expert try a task once.

    The label `action` is the expert's; `executed_action` carries exploration noise on dx dy dz in all but
    CLEAN_SHARE of the attempts, and during a detour leads elsewhere: so the expert also shows the way back
    (DART, arXiv:1703.09327, with larger disturbances). Where a policy leads, it is the policy's own action,
    so that the expert shows the way back from the policy's mistakes. The recording ends with the frame whose
    action brings success.

    Args:
        recipe: what to record.
        task: a task's name.
        number: of the attempt; with the recipe it determines everything.
    Returns:
        Columns of T frames (feature -> values), the instruction, and whether the task was done.
    """
    env: Any = _environment(recipe, task)
    seed = env_seed(recipe, task, number)
    draw = np.random.default_rng(seed)
    language = _draw_language(recipe, draw)
    noise = 0.0 if draw.random() < CLEAN_SHARE else recipe.noise
    detour = _draw_detour(draw) if draw.random() < recipe.detours else range(0)
    lead = draw_lead(recipe.led, draw)
    player = ChunkPlayer(EXECUTE)
    observation, info = env.reset(seed=seed, options={"language": language})
    instruction = str(info["instruction"])
    frames: list[dict[str, Any]] = []
    astray = np.zeros(3)
    success = ended = False
    while not ended:
        scene = rounded(info["scene"])  # as it is stored, so that the label follows from what is stored
        action = expert_action(task, scene)
        executed = action.copy()
        if len(frames) in detour:
            if len(frames) == detour.start:
                astray = stray(scene, draw)
            executed[:3] = steer(scene["gripper"], Subgoal(astray, 0.0))[:3]
        executed = perturb(executed, noise, env.unwrapped.np_random)
        if len(frames) in lead:
            if player.needs_chunk:
                seen = Observation(observation["pixels"], observation["agent_pos"], instruction)
                player.add(load_policy(recipe).decide([seen])[0])
            executed = player.next()
        frame = frame_of(observation["pixels"], observation["agent_pos"], scene)
        observation, _, terminated, _, info = env.step(executed)
        success = bool(info["is_success"])
        frame |= dict.fromkeys(_texts(recipe), "[]")
        ended = success or terminated or len(frames) + 1 == sim.MAX_EPISODE_STEPS[task] + len(lead)
        frames.append(frame | {ACTION: action, EXECUTED_ACTION: executed, SUCCESS: success, DONE: ended})
    return in_columns(frames), instruction, success


def _draw_detour(rng: np.random.Generator) -> range:
    """The steps at which the hand strays."""
    start = int(rng.integers(LATEST_DETOUR + 1))
    return range(start, start + int(rng.integers(*DETOUR_STEPS, endpoint=True)))


def record_posed(
    recipe: CollectRecipe, kind: str, number: int, count: int
) -> tuple[dict[str, list[Any]], str, bool]:
    """Record unrelated stills or moments; nothing is simulated.

    Args:
        recipe: what to record.
        kind: STILLS, whose actions are zero and mean nothing, or MOMENTS with the expert's (`sim.moment`).
        number: of the episode that they are stored as; with the recipe it determines everything.
        count: how many.
    Returns:
        As `record_attempt`, but of moments each scene holds the instruction of its own.
    """
    rng = np.random.default_rng(env_seed(recipe, kind, number))
    posed = (_stills if kind == STILLS else _moments)(recipe, rng, count)
    frames = [
        frame | {ACTION: action, EXECUTED_ACTION: action, SUCCESS: False, DONE: True}
        for frame, action in posed
    ]
    return in_columns(frames), STILL_INSTRUCTION if kind == STILLS else "", True


def _stills(recipe: CollectRecipe, rng: np.random.Generator, count: int) -> Iterator[Posed]:
    env: Any = _environment(recipe, _stills_task(recipe)).unwrapped
    for _ in range(count):
        pixels, truth = env.sample_still(rng)
        scene = rounded(truth)
        frame = frame_of(pixels, env.robot.state(), scene) | _texts(recipe, scene, rng)
        yield frame, np.zeros(len(ACTION_NAMES), np.float32)


def _moments(recipe: CollectRecipe, rng: np.random.Generator, count: int) -> Iterator[Posed]:
    tasks, weights = zip(*recipe.tasks.items(), strict=True)
    for task in rng.choice(tasks, count, p=np.array(weights) / sum(weights)).tolist():
        env: Any = _environment(recipe, task).unwrapped
        observation, truth = env.sample_moment(rng, _draw_language(recipe, rng))
        scene = rounded(truth)
        frame = frame_of(observation["pixels"], observation["agent_pos"], scene)
        yield frame | dict.fromkeys(_texts(recipe), "[]"), expert_action(task, scene)


def _texts(
    recipe: CollectRecipe, scene: Mapping[str, Any] | None = None, rng: np.random.Generator | None = None
) -> dict[str, str]:
    """The text columns that a recipe asks for, of one still picture; empty lists without one."""
    texts: dict[str, list[Any]] = {}
    if recipe.questions:
        texts[QUESTIONS] = []
    if recipe.captions:
        texts[CAPTIONS] = []
    if scene is not None and rng is not None:
        truth = cast(Scene, scene)
        if recipe.questions:
            drawn = questions(truth, rng, _draw_language(recipe, rng), recipe.questions)
            texts[QUESTIONS] = [rounded(asdict(question)) for question in drawn]
        for _ in range(recipe.captions):
            texts[CAPTIONS].append(caption(truth, rng, _draw_language(recipe, rng)))
    return {name: compact_json(values) for name, values in texts.items()}


def _draw_language(recipe: CollectRecipe, rng: np.random.Generator) -> str:
    shares = np.array(list(recipe.languages.values()))
    return str(rng.choice(list(recipe.languages), p=shares / shares.sum()))


def _targets(recipe: CollectRecipe) -> dict[str, int]:
    """Check the recipe; task (and stills) -> number of episodes."""
    for kind, names, allowed in (
        ("split", [recipe.split], SPLITS),
        ("task", recipe.tasks, sim.TASKS),
        ("language", recipe.languages, LANGUAGES),
    ):
        for name in names:
            if name not in allowed:
                raise unknown_name(kind, name, allowed, f"Correct it in recipe {recipe.name!r}")
    for task in recipe.tasks:
        if not TASK_CLASSES[task].shapes(SPLITS[recipe.split]):
            raise ConfigError(
                f"recipe {recipe.name!r}: task {task!r} has no split {recipe.split!r}; take one of them out"
            )
    if recipe.tasks and not SPLITS[recipe.split].feasible:
        raise ConfigError(
            f"recipe {recipe.name!r}: no episode of split {recipe.split!r} succeeds; name another"
        )
    shares = recipe.languages.values()
    if min(shares) < 0 or sum(shares) <= 0:
        raise ConfigError(
            f"recipe {recipe.name!r}: `languages` needs shares >= 0, one above 0; got {list(shares)}"
        )
    if min(recipe.tasks.values(), default=0) < 0:
        raise ConfigError(
            f"recipe {recipe.name!r}: `tasks` needs numbers of episodes >= 0; got {recipe.tasks}"
        )
    targets = {task: math.ceil(recipe.share * count) for task, count in recipe.tasks.items() if count > 0}
    if recipe.led:
        load_policy(recipe)
    if recipe.moments and not targets:
        raise ConfigError(f"recipe {recipe.name!r} asks for moments of no task; fill in `tasks`")
    for kind in (STILLS, MOMENTS):
        if pictures := _pictures(recipe, kind):
            targets[kind] = math.ceil(pictures / recipe.frames_per_scene_episode)
    if not targets:
        raise ConfigError(f"recipe {recipe.name!r} asks for no episodes and no scenes; fill in `tasks`")
    return targets


def _stills_task(recipe: CollectRecipe) -> str:
    """A task that has the recipe's split: its env poses the stills, which are the same whatever the task."""
    return next(task for task in sim.TASKS if TASK_CLASSES[task].shapes(SPLITS[recipe.split]))


def env_seed(recipe: CollectRecipe, task: str, number: int) -> int:
    """The env seed of an attempt, in [2**31, 2**32)."""
    sequence = np.random.SeedSequence([recipe.seed, zlib.crc32(task.encode()), number])
    return FIRST_SEED + int(sequence.generate_state(1)[0]) % FIRST_SEED


def _environment(recipe: CollectRecipe, task: str) -> gymnasium.Env[Any, Any]:
    return _make(task, recipe.split, recipe.image_size, tuple(recipe.cameras), recipe.renderer)


@cache
def _make(
    task: str, split: str, image_size: int, cameras: tuple[str, ...], renderer: str
) -> gymnasium.Env[Any, Any]:
    return gymnasium.make(
        sim.TASKS[task],
        disable_env_checker=True,
        split=split,
        image_size=image_size,
        cameras=cameras,
        renderer=renderer,
        max_episode_steps=sim.MAX_EPISODE_STEPS[task] + LEAD_STEPS[1],
    )


def frame_of(pixels: Mapping[str, np.ndarray], state: np.ndarray, scene: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored of a step before it is known what is done: pictures, state and scene."""
    images = {IMAGE_PREFIX + camera: encode_png(image) for camera, image in pixels.items()}
    return images | {STATE: state, SCENE: compact_json(scene)}


def rounded(data: Any) -> Any:
    """JSON data with every number rounded to DIGITS decimals, as it is stored."""
    if isinstance(data, float):
        return round(data, DIGITS)
    if isinstance(data, Mapping):
        return {key: rounded(value) for key, value in data.items()}
    return [rounded(value) for value in data] if isinstance(data, (list, tuple)) else data


def in_columns(frames: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Frames as columns."""
    return {key: [frame[key] for frame in frames] for key in frames[0]}


def _pictures(recipe: CollectRecipe, kind: str) -> int:
    """Number of stills or moments in all."""
    return math.ceil(recipe.share * (recipe.scenes if kind == STILLS else recipe.moments))


def _own_features(recipe: CollectRecipe) -> dict[str, Feature]:
    return describe_world(recipe).features


@cache
def _code_digest() -> str:
    """Changes with the simulator or this file, and so with what a recipe gives."""
    own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return hashlib.sha256((code_digest(Path(sim.__file__).parent) + own).encode()).hexdigest()


def _is_complete(out: Path, facts: Mapping[str, Any]) -> bool:
    """Whether `out` is the dataset already; an error if it is something else."""
    report = out / f"meta/{REPORT}.json"
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not ((out / INFO_PATH).is_file() and report.is_file()):
        raise DataError(f"{out} exists and was not made by `vla collect`; choose another --out")
    _compare(out, json.loads(report.read_text(encoding="utf-8")), facts)
    return True


def _claim(folder: Path, facts: Mapping[str, Any]) -> None:
    """Take a folder for the blocks of this recipe and code."""
    label = folder / "facts.json"
    if label.is_file():
        _compare(folder, json.loads(label.read_text(encoding="utf-8")), facts)
    else:
        atomic_write(label, json.dumps(facts).encode())


def _compare(folder: Path, found: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    different = [key for key in facts if found.get(key) != facts[key]]
    if different:
        what = "another recipe" if "recipe" in different else "another version of the simulator or of a task"
        raise DataError(f"{folder} holds what {what} gave; delete it, or choose another --out")


def _join(plan: Plan, world: World, out: Path, folder: Path) -> None:
    """Write the chosen episodes of all blocks as one dataset."""
    with DatasetWriter(out, fps=world.fps, robot_type=world.robot_type, features=world.features) as writer:
        for task in plan.targets:
            for block, row_group, attempt in plan.chosen(task):
                table = pq.ParquetFile(block.path(folder)).read_row_group(row_group)
                told: str | list[str] = attempt.instruction
                if task == MOMENTS:
                    told = [json.loads(scene)["instruction"] for scene in table[SCENE].to_pylist()]
                writer.add_table(table.replace_schema_metadata(None), told)
        writer.write_metadata(REPORT, {"tasks": plan.summary()} | world.facts)
