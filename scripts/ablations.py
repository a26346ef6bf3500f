"""Train variants of the small preset on equal budgets and measure each: which part is worth what.

Usage: scripts/ablations.py OUT --data DEMOS --tokenizer FOLDER --clip FOLDER [--only NAME ...] [--steps 600]
Each variant's report lies in OUT/NAME/; OUT/table.md compares them. What is finished is not done again.
While a variant is measured, the next one trains.
"""

import json
import subprocess
import sys
from pathlib import Path

import tyro

from vla.config import VLATrainConfig, load_config
from vla.evaluation.metrics import Rate
from vla.training.supervised import train_vla

NO_CLIP = "model.vision.pretrained=null"
ACTIONS_ALONE = ["mixture.motion_share=1", "mixture.questions_per_image=0"]
WORDS_ALONE = [
    "color",
    "existence",
    "symbol",
    "shape",
    "size",
    "count",
    "done",
    "state",
    "opening",
    "feasible",
]
# Name -> changes of the preset. RT-2's three ways come last; the pretrained model knows questions alone.
VARIANTS: dict[str, list[str]] = {
    "default": [],
    "no image encoder pretraining": [NO_CLIP],
    "sigmoid loss in pretraining": ["model.vision.pretrained={siglip}"],
    "no questions about places": [f"mixture.question_families=[{', '.join(WORDS_ALONE)}]"],
    "actions 0.3 of the mixture": ["mixture.motion_share=0.3"],
    "actions 0.8 of the mixture": ["mixture.motion_share=0.8"],
    "chunks of 1": ["model.action_horizon=1"],
    "chunks of 8": ["model.action_horizon=8", "mixture.max_tokens=220"],
    "no plan": ["model.plan=false"],
    "no wrist camera": ["model.wrist_image_size=0"],
    "no proprioception": ["model.proprioception=false"],
    "no augmentation": ["augment=null"],
    "from scratch": [NO_CLIP, *ACTIONS_ALONE],
    "questions alone": ["mixture.motion_share=0"],
    "fine-tuned": ["model=null", "init={out}/questions alone/run/checkpoint", *ACTIONS_ALONE],
    "co-fine-tuned": ["model=null", "init={out}/questions alone/run/checkpoint"],
}
SPLITS = [
    "seen",
    "unseen_objects_hard",
    "unseen_backgrounds_hard",
    "unseen_environments_hard",
    "symbols",
    "japanese",
]
TASKS = ["reach", "push", "pick_up", "place_on_card", "stack", "place_upright"]


def main(
    out: tyro.conf.Positional[Path],
    data: Path,
    tokenizer: Path,
    clip: Path,
    siglip: Path | None = None,
    only: tuple[str, ...] = (),
    steps: int = 600,
    episodes: int = 8,
    envs: int = 16,
    preset: Path = Path("configs/train/vla_small.yaml"),
    sets: tuple[str, ...] = (),
) -> None:
    """Train, measure, compare."""
    measuring: dict[str, subprocess.Popen[bytes]] = {}
    for name in only or VARIANTS:
        folder = out / name
        if (folder / "eval").is_dir() or (siglip is None and "{siglip}" in "".join(VARIANTS[name])):
            continue
        changes = [change.format(out=out, siglip=siglip) for change in VARIANTS[name]]
        given = [f"data={data}", f"model.tokenizer={tokenizer}", f"model.vision.pretrained={clip}"]
        loop = [f"loop.steps={steps}", f"loop.warmup_steps={steps // 10}"]
        config = load_config(preset, VLATrainConfig, [*given, *loop, *sets, *changes])
        train_vla(config, folder / "run")
        if config.mixture.motion_share > 0:
            measuring[name] = measure(folder, episodes, envs)
    for name, process in measuring.items():
        if process.wait() != 0:
            sys.exit(f"the evaluation of {name!r} failed; see its error above")
    (out / "table.md").write_text(table(out), encoding="utf-8")
    print(table(out))


def measure(folder: Path, episodes: int, envs: int) -> "subprocess.Popen[bytes]":
    """Begin to evaluate a variant in another process."""
    command = [
        sys.executable,
        "-m",
        "vla",
        "eval",
        "--policy",
        f"{folder}/run/checkpoint",
        "--out",
        f"{folder}/eval",
    ]
    sets = [f"tasks={TASKS}", f"splits={SPLITS}", f"episodes={episodes}", "scenes=40", f"envs={envs}"]
    execute = json.loads((folder / "run/checkpoint/config.json").read_text())["action_horizon"]
    return subprocess.Popen(
        [*command, "--set", *sets, f"execute={min(2, execute)}"], stdout=subprocess.DEVNULL
    )


def table(out: Path) -> str:
    """Success of each variant by split, and of its answers in `seen`, as Markdown."""
    lines = ["| variant | " + " | ".join([*SPLITS, "listening", "questions"]) + " |"]
    lines.append("|---" * (len(SPLITS) + 3) + "|")
    for name in VARIANTS:
        path = out / name / "eval" / "report.json"
        if not path.is_file():
            continue
        splits = json.loads(path.read_text())["splits"]
        cells = []
        for split in SPLITS:
            results = [task["policy"] for task in splits[split]["tasks"].values()]
            won, played = (sum(result[key] for result in results) for key in ("successes", "episodes"))
            cells.append(str(Rate(won, played)))
        heard = splits["seen"]["listening"]
        cells.append(str(Rate(heard["reached_named"], heard["episodes"])))
        families = splits["seen"]["questions"].values()
        asked = sum(family["questions"] for family in families)
        right = sum(round(family["accuracy"] * family["questions"]) for family in families)
        cells.append(str(Rate(right, asked)))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    tyro.cli(main)
