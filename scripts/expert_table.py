"""Success of every task's scripted expert, and of random actions, as a Markdown table.

Usage: .venv/bin/python scripts/expert_table.py [--episodes 200] [--seed 20000] [--split seen] [--noise 0.0]
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from os import cpu_count

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track

import sim
from sim.env import TabletopEnv
from sim.experts import expert_action, perturb
from sim.tasks import TASK_CLASSES
from sim.variations import find_split
from vla.evaluation.metrics import Rate


def main(episodes: int = 200, seed: int = 20_000, split: str = "seen", noise: float = 0.0) -> None:
    """Play and print."""
    tasks = [task for task in sim.TASKS if TASK_CLASSES[task].shapes(find_split(split))]
    work = partial(play, split=split, seeds=range(seed, seed + episodes), noise=noise)
    with ProcessPoolExecutor(cpu_count()) as pool:
        rows = list(track(pool.map(work, tasks), "tasks", len(tasks), console=Console(stderr=True)))
    print(f"Split {split}, seeds {seed} to {seed + episodes - 1}, noise {noise:g}.\n")
    print("| task | expert | interval | mean steps | random | layouts drawn again |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print(row)


def play(task: str, split: str, seeds: range, noise: float) -> str:
    """The table's row of one task."""
    env = TabletopEnv(task, split=split, cameras=())
    won, lucky, steps, resampled = [], [], [], 0
    for seed in seeds:
        _, info = env.reset(seed=seed)
        resampled += info["resampled"]
        for step in range(1, sim.MAX_EPISODE_STEPS[task] + 1):
            action = perturb(expert_action(task, info["scene"]), noise, env.np_random)
            _, _, done, _, info = env.step(action)
            if done:
                steps.append(step)
                break
        won.append(done)
        env.reset(seed=seed)
        rng = np.random.default_rng(seed)
        for _ in range(sim.MAX_EPISODE_STEPS[task]):
            _, _, done, _, _ = env.step(rng.uniform(-1, 1, 7).astype(np.float32))
            if done:
                break
        lucky.append(done)
    env.close()
    rate, floor = Rate.of(won), Rate.of(lucky)
    low, high = rate.interval
    return (
        f"| {task} | {rate.successes} of {rate.trials} | {100 * low:.1f} to {100 * high:.1f} % "
        f"| {np.mean(steps):.1f} | {floor.successes} of {floor.trials} | {resampled} |"
    )


if __name__ == "__main__":
    tyro.cli(main)
