"""Train variants of a preset on equal budgets and measure each: which part is worth what.

Usage: scripts/ablations.py train OUT --data DEMOS --tokenizer FOLDER --clip FOLDER --lanes 4
       scripts/ablations.py measure OUT
The first trains each variant into OUT/NAME/run, several at a time: small models leave a GPU idle. The second
evaluates what is trained, where there are processor cores for it, into OUT/NAME/eval, and writes
OUT/table.md. What is finished is not done again.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tyro

from vla.evaluation.metrics import Rate

NO_CLIP = "model.vision.pretrained=null"
ASKED = "questions alone"
MANY = 2400  # demonstrations are the first episodes; moments come behind them
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
    "no moments": [f"mixture.demonstrations={MANY}"],
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
    ASKED: ["mixture.motion_share=0"],
    "fine-tuned": ["model=null", f"init={{out}}/{ASKED}/run/checkpoint", *ACTIONS_ALONE],
    "co-fine-tuned": ["model=null", f"init={{out}}/{ASKED}/run/checkpoint"],
    "10 demonstrations": ["data={bowl}", "mixture.demonstrations=10"],
    "100 demonstrations": ["data={bowl}", "mixture.demonstrations=100"],
    "1000 demonstrations": ["data={bowl}", "mixture.demonstrations=1000"],
}
BOWL = [name for name in VARIANTS if name.endswith("0 demonstrations")]
"""Of place_in_bowl alone, CLIPort's axis (arXiv:2109.12098)."""
SPLITS = [
    "seen",
    "unseen_objects_hard",
    "unseen_backgrounds_hard",
    "unseen_environments_hard",
    "symbols",
    "japanese",
]
TASKS = ["reach", "push", "pick_up", "place_on_card", "stack", "place_upright"]


def train(
    out: tyro.conf.Positional[Path],
    data: Path,
    tokenizer: Path,
    clip: Path,
    siglip: Path,
    bowl: Path,
    only: tuple[str, ...] = (),
    steps: int = 600,
    lanes: int = 4,
    preset: Path = Path("configs/train/vla_tiny.yaml"),
    sets: tuple[str, ...] = (),
) -> None:
    """Train the variants, or only some, in `lanes` processes; two of them go on from ASKED."""
    names, commands = only or tuple(VARIANTS), {}
    for name in names:
        changes = [change.format(out=out, siglip=siglip, bowl=bowl) for change in VARIANTS[name]]
        given = [f"data={data}", f"model.tokenizer={tokenizer}", f"model.vision.pretrained={clip}"]
        loop = [f"loop.steps={steps}", f"loop.warmup_steps={steps // 10}", "loop.device=auto"]
        command = [sys.executable, "-m", "vla", "train", "vla", str(preset), "--out", str(out / name / "run")]
        commands[name] = [*command, "--set", *given, *loop, *sets, *changes]
    needed = [name for name in names if name == ASKED]
    for group in (needed, [name for name in names if name != ASKED]):
        with ThreadPoolExecutor(lanes) as pool:
            statuses = pool.map(lambda name: run(out, name, commands[name]), group)
            for name, status in zip(group, statuses, strict=True):
                print(f"{name}: {f'failed, see {out / name}.log' if status else 'trained'}", flush=True)


def run(out: Path, name: str, command: list[str]) -> int:
    """Train a variant; returns the exit status."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / f"{name}.log").open("w") as log:
        return subprocess.run(command, stdout=log, stderr=log).returncode


def measure(out: tyro.conf.Positional[Path], episodes: int = 20, scenes: int = 40, envs: int = 8) -> None:
    """Evaluate what is trained, and write the table."""
    for name in VARIANTS:
        checkpoint, report = out / name / "run/checkpoint", out / name / "eval"
        if checkpoint.is_dir() and not report.is_dir() and name != ASKED:
            execute = min(2, json.loads((checkpoint / "config.json").read_text())["action_horizon"])
            sets = [f"tasks={TASKS}", f"splits={SPLITS}", f"episodes={episodes}", f"scenes={scenes}"]
            if name in BOWL:
                sets = [
                    "tasks=[place_in_bowl]",
                    "splits=[seen]",
                    f"episodes={3 * episodes}",
                    f"scenes={scenes}",
                ]
            sets += [f"envs={envs}", f"execute={execute}"]
            command = [sys.executable, "-m", "vla", "eval", "--policy", str(checkpoint)]
            subprocess.run([*command, "--out", str(report), "--set", *sets], check=True)
        (out / "table.md").write_text(table(out), encoding="utf-8")
    print(table(out))


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
            if split not in splits:
                cells.append("")
                continue
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
    tyro.extras.subcommand_cli_from_dict({"train": train, "measure": measure})
