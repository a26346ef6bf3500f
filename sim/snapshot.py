"""The whole state of an environment at one moment, to go back to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.errors import SimError
from sim.scene import Layout
from sim.view import View

if TYPE_CHECKING:
    from sim.env import TabletopEnv


@dataclass(frozen=True)
class Snapshot:
    """What an environment's future depends on; good in every process, for envs of the same task and split.

    Args:
        task, split: of the env.
        layout, view: of the episode.
        instruction: of the episode.
        feasible: whether it can be carried out.
        tilt: commanded roll, pitch, yaw of the hand, rad.
        random: state of the env's random generator.
        physics: the engine's own record of poses, velocities and contacts.
    """

    task: str
    split: str
    layout: Layout
    view: View
    instruction: str
    feasible: bool
    tilt: tuple[float, ...]
    random: dict[str, Any]
    physics: bytes


def take_snapshot(env: TabletopEnv) -> Snapshot:
    """Record an env, and bring it into the state that `restore_snapshot` gives.

    The engine records contacts of hollow bodies, such as a bowl's, in an order of its own. So that the env
    and what is restored from the snapshot go on alike to the bit, the env itself starts from the record, too.
    """
    snapshot = Snapshot(
        env.task.name,
        env.split,
        env._layout,
        env._view,
        env.task_description,
        env._feasible,
        env.robot.tilt,
        dict(env.np_random.bit_generator.state),
        env._bullet.save(),
    )
    restore_snapshot(env, snapshot)
    return snapshot


def restore_snapshot(env: TabletopEnv, snapshot: Snapshot) -> None:
    """Bring an env into the recorded state.

    Raises:
        SimError: the snapshot is of another task or split, whose bodies differ.
    """
    if (snapshot.task, snapshot.split) != (env.task.name, env.split):
        raise SimError(
            f"the state is of task {snapshot.task!r}, split {snapshot.split!r}; "
            f"this env is of task {env.task.name!r}, split {env.split!r}"
        )
    env._place(snapshot.layout, snapshot.view)
    # Everything apart first: contacts that stand now would otherwise mix with the recorded ones.
    env.robot.withdraw()
    env._pool.park()
    env._bullet.step()  # an engine that has never moved differs in what its record does not hold
    env._bullet.load(snapshot.physics)
    env.robot.tilt = snapshot.tilt
    env.task_description, env._feasible = snapshot.instruction, snapshot.feasible
    env.np_random.bit_generator.state = snapshot.random
