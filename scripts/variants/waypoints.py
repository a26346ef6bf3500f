"""`vla`, but an action is the next key pose: where the hand is led, not what it does in a fifth of a second.

Usage: scripts/variants/waypoints.py VERB ..., as `vla VERB ...`; see scripts/ablations.py.
Poses are those of the experts' subgoals (as key frames in PerAct, arXiv:2209.05451, one for every frame). The
hand is steered there as an expert steers it, always at full speed.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sim.experts import Subgoal, expert_subgoal, steer
from sim.robots.panda import POSITION_SCALE_M, ROTATION_SCALE_RAD
from vla.cli import main
from vla.data import mixture
from vla.data.collate import Turn
from vla.data.mixture import TurnPacker
from vla.inference.engine import Engine
from vla.training import supervised
from vla.types import ActionChunk

# x, y, z (m), roll, pitch, yaw (rad), gripper: what the bins span.
RANGE = {"q01": [0.25, -0.35, 0.0, 0.0, 0.0, -1.6, -1.0], "q99": [0.75, 0.35, 0.4, 0.0, 0.0, 1.6, 1.0]}
statistics, load, act = supervised.embodiment_statistics, supervised.load_model, Engine.act


def key_pose(scene: dict[str, Any]) -> np.ndarray:
    """Where the expert of a scene's task leads the hand: float32[7], see RANGE."""
    subgoal = expert_subgoal(scene["task"], scene)  # type: ignore[arg-type]
    return np.array([*subgoal.position, 0.0, 0.0, subgoal.turn, subgoal.command], dtype=np.float32)


def pose_turn(packer: TurnPacker, frame: int, instruction: str, step: str | None = None) -> Turn:
    """As `TurnPacker.motion_turn`; past success the hand stays where it was led last."""
    dataset, horizon = packer.dataset, packer.config.action_horizon
    last = min(frame + horizon, int(dataset.episode_ends[frame]))
    poses = [key_pose(dataset.scene(each)) for each in range(frame, last)]
    missing = horizon - len(poses) if dataset.succeeds[frame] else 0
    chunk = np.stack([*poses, *poses[-1:] * missing])
    terminate = np.arange(len(chunk)) >= len(poses)
    tokens = packer.bins.chunk_to_bins(packer.embodiment.action.normalise(chunk), terminate)
    return packer._plan_and_actions(frame, dataset.scene(frame), instruction, step, tokens)


def way(state: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """Actions float32[H, 7] of a hand at a state that is led to one pose after the other, a step each."""
    place, yaw = state[:3].astype(np.float64), float(state[5])
    actions = []
    for pose in poses:
        hand: Any = {"position": place, "tilt": [0.0, 0.0, yaw]}
        actions.append(steer(hand, Subgoal(pose[:3].astype(np.float64), float(pose[6]), turn=float(pose[5]))))
        place, yaw = place + actions[-1][:3] * POSITION_SCALE_M, yaw + actions[-1][5] * ROTATION_SCALE_RAD
    return np.stack(actions)


def steered(engine: Engine, images: np.ndarray, states: np.ndarray, *rest: Any) -> list[ActionChunk]:
    """As `Engine.act`."""
    chunks: Sequence[ActionChunk] = act(engine, images, states, *rest)
    return [
        replace(chunk, actions=way(state, chunk.actions)) for chunk, state in zip(chunks, states, strict=True)
    ]


def unlearned(*arguments: Any) -> tuple[Any, Any]:
    """As `load_model`, without the statistics of other actions."""
    model, processor = load(*arguments)
    model.config.embodiments = {}
    return model, processor


supervised.embodiment_statistics = lambda data: {
    robot: facts | {"action": RANGE} for robot, facts in statistics(data).items()
}
supervised.load_model = unlearned
mixture.next_action = key_pose  # of other instructions for the same picture
TurnPacker.motion_turn = pose_turn  # type: ignore[method-assign]
Engine.act = steered  # type: ignore[method-assign]
if __name__ == "__main__":
    sys.exit(main())
