"""Write docs/tasks.md with a picture of each task, and docs/world.png with every task and split.

Usage: .venv/bin/python scripts/draw_world.py
"""

import inspect
import sys
import textwrap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import sim
from sim.env import TabletopEnv
from sim.experts import expert_action
from sim.language import instruction
from sim.tasks import TASK_CLASSES
from sim.variations import SPLITS

DOCS = Path(__file__).parent.parent / "docs"
SIZE = 224  # px, of a tile
COLUMNS = 8
SEED = 11
SPLIT_TASK = {"symbols": "place_on_card", "reasoning": "place_in_bowl"}  # pick_up shows the others
CAPTION = 26  # px, room for text below a tile
GAP = 6  # px, between tiles

Picture = NDArray[np.uint8]


def main() -> None:
    """Draw everything."""
    folder = DOCS / "tasks"
    folder.mkdir(exist_ok=True)
    tiles, sections = [], []
    for task in sim.TASKS:
        start, end, scene = episode(task)
        save(np.concatenate([start, end], axis=1), folder / f"{task}.png")
        sections.append(section(task, scene))
        tiles += [captioned(start, task), captioned(end, scene["instruction"])]
        print(task, file=sys.stderr)
    for split in SPLITS:
        env = TabletopEnv(SPLIT_TASK.get(split, "pick_up"), split=split, image_size=SIZE)
        for seed in (SEED, SEED + 1):
            observation, info = env.reset(seed=seed)
            tiles.append(captioned(observation["pixels"]["front"], f"{split}: {info['instruction']}"))
        env.close()
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[i : i + COLUMNS], axis=1) for i in range(0, len(tiles), COLUMNS)]
    save(np.concatenate(rows), DOCS / "world.png")
    (DOCS / "tasks.md").write_text(HEAD + "\n".join(sections), encoding="utf-8")


HEAD = """# Tasks

Made from the docstrings by `.venv/bin/python scripts/draw_world.py`. Each picture shows the start and the end
of an episode of the scripted expert, split `seen`, 224 pixels. `docs/evaluation.md` explains the splits, and
`docs/world.png` shows them.

"""


def episode(task: str) -> tuple[Picture, Picture, dict]:
    """First and last picture of an expert's episode, and the last scene."""
    env = TabletopEnv(task, image_size=SIZE)
    for seed in range(SEED, SEED + 20):
        observation, info = env.reset(seed=seed)
        start = observation["pixels"]["front"]
        if not all(item["visible"] for item in info["scene"]["objects"]):
            continue
        for _ in range(sim.MAX_EPISODE_STEPS[task]):
            observation, _, done, _, info = env.step(expert_action(task, info["scene"]))
            if done:
                env.close()
                return start, observation["pixels"]["front"], info["scene"]
    raise RuntimeError(f"no episode of {task} shows everything and succeeds")


def section(task: str, scene: dict) -> str:
    """What docs/tasks.md says of a task."""
    cls = TASK_CLASSES[task]
    parts = ("target", "goal", "third")
    roles = [f"{part}: {', '.join(shapes)}" for part, shapes in zip(parts, cls.roles, strict=False)]
    splits = [name for name, split in SPLITS.items() if cls.shapes(split)]
    rng = np.random.default_rng(SEED)
    english, japanese = (instruction(scene, language, rng) for language in ("en", "ja"))
    module = inspect.getmodule(cls)
    assert cls.__doc__ and module and module.__doc__
    what = " ".join(module.__doc__.split(":", 1)[1].split()).capitalize()
    return "\n".join(
        [
            f"## {sim.TASKS[task]}",
            "",
            f"`{task}`. {what} {' '.join(cls.__doc__.split())}",
            "",
            f"![{task}: start and end](tasks/{task}.png)",
            "",
            f"- For example: {english} / {japanese}",
            f"- Objects: {'; '.join(roles)}",
            f"- At most {sim.MAX_EPISODE_STEPS[task]} steps. Splits: {', '.join(splits)}",
            "",
        ]
    )


def captioned(picture: Picture, text: str) -> Picture:
    """A picture with small text below it, Latin only."""
    tile = Image.new("RGB", (SIZE, SIZE + CAPTION), "white")
    tile.paste(Image.fromarray(picture), (0, 0))
    draw, font = ImageDraw.Draw(tile), ImageFont.load_default(size=10)
    words = text if text.isascii() else text.split(":")[0] + ": (Japanese)"
    text = "\n".join(textwrap.wrap(words, 42)[:2])
    draw.multiline_text((2, SIZE + 1), text, fill="black", font=font, spacing=1)
    return np.pad(np.asarray(tile), ((0, GAP), (0, GAP), (0, 0)), constant_values=255)


def save(picture: Picture, path: Path) -> None:
    """Write a small PNG."""
    Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
