"""Speeds beside their baselines, measured in turns within one run (`vla bench`)."""

from __future__ import annotations

import functools
import importlib
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import gymnasium
import numpy as np

import sim
from vla.data.adapted import quiet_stdout

if TYPE_CHECKING:
    from vla.inference.engine import Engine

TASK = "pick_up"
IMAGE_SIZE = 128  # pixels
ROUNDS = 5  # turns that each contender takes
FRAMES = 60  # in a turn
RESETS = 20
WORKERS = 2
WORKER_STEPS = 150  # of each worker in a turn
DECISIONS = 15  # pairs of decisions
PEER = "PandaPickAndPlace-v3"
INSTRUCTION = "pick up the red block"


@dataclass(frozen=True)
class Measurement:
    """One figure.

    Attributes:
        name: what was measured, and beside what.
        value: ours.
        unit: of value and baseline.
        baseline: what it is compared with, measured in the same run.
        ratio: how many times better ours is; 1 is equal.
    """

    name: str
    value: float
    unit: str
    baseline: float
    ratio: float

    def as_dict(self) -> dict[str, Any]:
        """The figure as JSON data."""
        return asdict(self)

    def __str__(self) -> str:
        figures = f"{self.value:.1f} {self.unit} (baseline {self.baseline:.1f}, ratio {self.ratio:.2f})"
        return f"{self.name}: {figures}"


class Contender(NamedTuple):
    """One way to make frames: `begin` starts an episode, and `frame` makes the frame of an index in it."""

    begin: Callable[[], Any]
    frame: Callable[[int], Any]


def measure_simulator() -> Iterator[Measurement | str]:
    """Frames a second (step and picture) of our env, of panda-gym's and of the engine's bare calls.

    Yields:
        A measurement, or the reason why one had to be left out.
    """
    contenders = {"ours": _our_frames(), "floor": _bare_frames()}
    missing = None
    try:
        with quiet_stdout(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of gymnasium, about the peer's spaces
            contenders["peer"] = _peer_frames()
    except ImportError as error:
        missing = f"panda-gym is left out: {error}; install it with pip install 'panda-gym>=3.0.7'"
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        spent = dict.fromkeys(contenders, 0.0)
        for contender in contenders.values():
            contender.begin()
        for index in range(FRAMES):  # frame by frame in turns, so that a slow moment hits all alike
            for name, contender in contenders.items():
                started = (
                    time.process_time()
                )  # each runs in one thread; what else the machine does is left out
                contender.frame(index)
                spent[name] += time.process_time() - started
        for name, value in spent.items():
            seconds[name].append(value)
    speed = {name: FRAMES / median(values) for name, values in seconds.items()}
    what = f"PickUp step + {IMAGE_SIZE} px picture"
    if missing is None:
        yield _faster(f"{what}, beside panda-gym {PEER}", speed["ours"], speed["peer"])
    else:
        yield missing
    yield _faster(f"{what}, beside its motor, physics and render calls alone", speed["ours"], speed["floor"])
    yield _measure_reset(1000 / speed["ours"])
    yield _measure_workers()


def _measure_reset(step_ms: float) -> Measurement:
    """A reset with its picture, beside one step with its picture."""
    env = _make_env()
    spent = []
    for seed in range(RESETS):
        started = time.process_time()
        env.reset(seed=seed)
        spent.append(1000 * (time.process_time() - started))
    env.close()
    name = f"PickUp reset with a {IMAGE_SIZE} px picture, beside one step (aim: at most 3 times as long)"
    return Measurement(name, median(spent), "ms", step_ms, step_ms / median(spent))


def _measure_workers() -> Measurement:
    """Frames a second of two processes with shared memory, beside one such process, in turns."""
    pools = {count: _make_pool(count) for count in (1, WORKERS)}
    action = np.zeros((WORKERS, 7), np.float32)
    seconds: dict[int, list[float]] = {count: [] for count in pools}
    for pool in pools.values():
        pool.reset(seed=0)
    for _ in range(ROUNDS):
        for count, pool in pools.items():
            started = time.perf_counter()
            for _ in range(WORKER_STEPS):
                pool.step(action[:count])
            seconds[count].append(time.perf_counter() - started)
    for pool in pools.values():
        pool.close()
    one, two = (count * WORKER_STEPS / min(seconds[count]) for count in pools)
    return _faster(f"PickUp in {WORKERS} workers, {IMAGE_SIZE} px, beside one worker", two, one)


def _make_pool(count: int) -> gymnasium.vector.VectorEnv[Any, Any, Any]:
    return gymnasium.make_vec(
        f"sim:{sim.TASKS[TASK]}",
        num_envs=count,
        vectorization_mode="async",
        vector_kwargs={"shared_memory": True, "context": "forkserver"},
        image_size=IMAGE_SIZE,
    )


def _make_env() -> Any:
    return gymnasium.make(sim.TASKS[TASK], disable_env_checker=True, image_size=IMAGE_SIZE).unwrapped


def measure_decision(engine: Engine) -> Measurement:
    """Milliseconds of one decision, batch 1, beside transformers' `generate` on the same weights.

    Both begin with observation and instruction and end with the bins of the whole chunk.

    Raises:
        AssertionError: the two do not decide the same.
    """
    env = gymnasium.make(
        sim.TASKS[TASK],
        disable_env_checker=True,
        split="basic",
        image_size=engine.config.image_size,
        cameras=engine.config.cameras,
    )
    observation, _ = env.reset(seed=0)
    env.close()
    pixels = {camera: image[None] for camera, image in observation["pixels"].items()}
    states = observation["agent_pos"][None]
    reference = ReferenceDecoder(engine)
    ours, theirs = [], []
    for turn in range(DECISIONS + 1):
        started = time.perf_counter()
        chunk = engine.act(pixels["front"], states, [INSTRUCTION], pixels.get("wrist"))[0]
        middle = time.perf_counter()
        bins = reference.decide(pixels, states, INSTRUCTION)
        ended = time.perf_counter()
        if turn == 0:  # warms up
            expected, terminate = engine.bins.bins_to_chunk(bins[engine.plan_tokens :])
            assert (chunk.terminate == terminate).all(), "generate terminates elsewhere"
            found = engine.embodiment.action.normalise(chunk.actions)
            assert np.allclose(found, expected.clip(-1, 1), atol=0.02), "generate decides otherwise"
            continue
        ours.append(1000 * (middle - started))
        theirs.append(1000 * (ended - middle))
    value, baseline = median(ours), median(theirs)
    name = f"decision of {engine.config.action_horizon} actions, batch 1, beside transformers generate"
    return Measurement(name, value, "ms", baseline, baseline / value)


class ReferenceDecoder:
    """The same decision through transformers' own `generate`, mask and choice as a logits processor.

    Args:
        engine: whose model, statistics and mask are used.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def decide(self, pixels: Mapping[str, np.ndarray], states: np.ndarray, instruction: str) -> np.ndarray:
        """Decide for one observation: uint8[1, H, W, 3], float32[1, S] -> bins int64[P + chunk * 8]."""
        import torch
        from transformers import LogitsProcessorList

        from vla.model.processing_vla import square_image

        engine, model = self._engine, self._engine.model
        processor = engine.processor
        ids = torch.tensor([processor.prefix_ids() + processor.motion_ids(instruction)], device=engine.device)
        sizes = engine.config.image_sizes
        shown = [
            torch.tensor(square_image(image[0], sizes[camera])[None], device=engine.device)
            for camera, image in pixels.items()
        ]
        normalised = torch.from_numpy(engine.embodiment.state.normalise(states)).to(engine.device)
        with torch.inference_mode():
            decoder: Any = model.decoder
            written = decoder.generate(
                inputs_embeds=model.embed(ids, shown[0], normalised, *shown[1:]),
                attention_mask=torch.ones_like(ids),
                max_new_tokens=len(engine.slots),
                do_sample=False,
                pad_token_id=processor.tokenizer.pad_token_id,
                logits_processor=LogitsProcessorList([self._choice()]),
            )
        bins: np.ndarray = (written[0] - engine.config.bin_token_start).cpu().numpy()
        return bins

    def _choice(self) -> Any:
        """A logits processor that leaves at each place the bin that the engine would choose."""
        import torch

        from vla.inference.constraints import choose_bin

        engine, slots = self._engine, self._engine.slots

        def choose(written: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            index, start = written.shape[1], engine.config.bin_token_start
            bins = scores[:, start : start + slots.shape[1]].float().masked_fill(~slots[index], -torch.inf)
            _, chosen = choose_bin(bins, place=index < engine.plan_tokens)
            return torch.full_like(scores, -torch.inf).scatter(1, start + chosen[:, None], 0.0)

        return choose


def _our_frames() -> Contender:
    env = _make_env()
    actions = _random_actions(env)
    return Contender(lambda: env.reset(seed=0), lambda index: env.step(actions[index]))


def _peer_frames() -> Contender:
    importlib.import_module("panda_gym")
    size = {"render_width": IMAGE_SIZE, "render_height": IMAGE_SIZE}
    made = gymnasium.make(PEER, disable_env_checker=True, render_mode="rgb_array", renderer="Tiny", **size)
    env = made.unwrapped
    actions = _random_actions(env)
    return Contender(lambda: env.reset(seed=0), lambda index: (env.step(actions[index]), env.render()))


def _bare_frames() -> Contender:
    """The calls that move and draw our env, recorded in one episode and made again with nothing between."""
    env = _make_env()
    env.reset(seed=0)
    bullet, calls = env._bullet, []

    def recorded(call: Callable[..., Any]) -> Callable[..., Any]:
        def record(*args: Any, **kwargs: Any) -> Any:
            calls.append(functools.partial(call, *args, **kwargs))
            return call(*args, **kwargs)

        return record

    names = ("drive", "step", "render")
    for name in names:
        setattr(bullet, name, recorded(getattr(bullet, name)))
    frames = []
    for action in _random_actions(env):
        calls.clear()
        env.step(action)
        frames.append(list(calls))
    for name in names:
        delattr(bullet, name)  # the class's own method shows again
    return Contender(lambda: env.reset(seed=0), lambda index: [call() for call in frames[index]])


def _random_actions(env: gymnasium.Env[Any, Any]) -> list[np.ndarray]:
    rng, space = np.random.default_rng(0), env.action_space
    assert isinstance(space, gymnasium.spaces.Box)
    return [rng.uniform(space.low, space.high).astype(np.float32) for _ in range(FRAMES)]


def _faster(name: str, value: float, baseline: float) -> Measurement:
    return Measurement(name, value, "frames/s", baseline, value / baseline)
