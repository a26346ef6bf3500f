"""Train variants of a preset on equal budgets and measure each: which part is worth what.

Usage: scripts/ablations.py train OUT --data DEMOS ..., see scripts/gpu_ablations.sh
       scripts/ablations.py measure OUT
The first trains each variant into OUT/NAME/run, several at a time: small models leave a GPU idle. The second
evaluates what is trained, where there are processor cores for it, into OUT/NAME/eval, and writes
OUT/table.md and OUT/demonstrations.png. What is finished is not done again.
"""

import json
import subprocess
import sys
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import tyro

from vla.errors import unknown_name
from vla.evaluation.metrics import Rate
from vla.evaluation.plots import plot_rates

NO_CLIP = ["model.vision.pretrained=null", "loop.rates.vision=1"]
ASKED = "questions alone"
GO_ON = ["model=null", f"init={{out}}/{ASKED}/run/checkpoint"]
MANY = 510  # demonstrations are the first episodes; moments come behind them
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
    "no image encoder pretraining": NO_CLIP,
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
    "actions in one pass": [],
    "waypoints for actions": [],
    "one turn a picture": [],
    "words before pictures": [],
    "FiLM": [],
    "recurrent decoder": [],
    "from scratch": [*NO_CLIP, *ACTIONS_ALONE],
    ASKED: ["mixture.motion_share=0"],
    "fine-tuned": [*GO_ON, *ACTIONS_ALONE],
    "co-fine-tuned": GO_ON,
    "japanese in questions alone": [*GO_ON, "data={english}"],
    **{
        f"{count} demonstrations": [*GO_ON, "data={bowl}", f"mixture.demonstrations={count}"]
        for count in (10, 100, 1000)
    },
}
PROGRAMS = {
    "actions in one pass": "scripts/variants/one_pass.py",
    "waypoints for actions": "scripts/variants/waypoints.py",
    "one turn a picture": "scripts/variants/one_turn.py",
    "words before pictures": "scripts/variants/language_first.py",
    "FiLM": "scripts/variants/film.py",
    "recurrent decoder": "scripts/variants/recurrent.py",
}
"""Variants that are another program than `vla`: what was tried, and has no place in the package."""
BOWL = [name for name in VARIANTS if name.endswith("0 demonstrations")]
"""Of place_in_bowl alone, CLIPort's axis (arXiv:2109.12098)."""
UNSEEN = [
    f"unseen_{what}_{how}" for what in ("objects", "backgrounds", "environments") for how in ("easy", "hard")
]
SPLITS = ["seen", *UNSEEN, "symbols", "reasoning", "japanese"]
BOWL_EPISODES = 100
TASKS = ["reach", "push", "pick_up", "place_on_card"]


def train(
    out: tyro.conf.Positional[Path],
    data: Path,
    tokenizer: Path,
    clip: Path,
    siglip: Path,
    bowl: Path,
    english: Path,
    only: tuple[str, ...] = (),
    steps: int = 600,
    lanes: int = 4,
    preset: Path = Path("configs/train/vla_tiny.yaml"),
    sets: tuple[str, ...] = (),
) -> None:
    """Train the variants, or only some, in `lanes` processes; the last six go on from ASKED."""
    names, commands = chosen("variant", only, VARIANTS), {}
    folders = {"out": out, "siglip": siglip, "bowl": bowl, "english": english}
    for name in names:
        changes = [change.format(**folders) for change in VARIANTS[name]]
        given = [f"data={data}", f"model.tokenizer={tokenizer}", f"model.vision.pretrained={clip}"]
        loop = [f"loop.steps={steps}", f"loop.warmup_steps={steps // 10}", "loop.device=auto"]
        command = [*program(name), "train", "vla", str(preset), "--out", str(out / name / "run")]
        commands[name] = [*command, "--set", *given, *loop, *sets, *changes]
    first = {name: command for name, command in commands.items() if name == ASKED}
    for group in (first, {name: commands[name] for name in names if name != ASKED}):
        run(out, group, lanes, "trained")


def measure(
    out: tyro.conf.Positional[Path],
    only: tuple[str, ...] = (),
    splits: tuple[str, ...] = (),
    episodes: int = 20,
    scenes: int = 40,
    lanes: int = 2,
) -> None:
    """Evaluate what is trained in all splits, or in `seen` and some; write the table and the plot."""
    commands = {}
    played_in = list(dict.fromkeys(["seen", *chosen("split", splits, SPLITS)]))
    for name in chosen("variant", only, VARIANTS):
        checkpoint, report = out / name / "run/checkpoint", out / name / "eval"
        if not checkpoint.is_dir() or report.is_dir() or name == ASKED:
            continue
        execute = min(2, json.loads((checkpoint / "config.json").read_text())["action_horizon"])
        played = ["tasks=[place_in_bowl]", "splits=[seen]", f"episodes={BOWL_EPISODES}"]
        if name not in BOWL:
            played = [f"tasks={TASKS}", f"splits={played_in}", f"episodes={episodes}"]
        sets = [*played, f"scenes={scenes}", "envs=8", f"execute={execute}"]
        command = [*program(name), "eval", "--policy", str(checkpoint), "--out", str(report)]
        commands[name] = [*command, "--set", *sets]
    run(out, commands, lanes, "measured")
    text = table(out)
    (out / "table.md").write_text(text, encoding="utf-8")
    print(text)
    plot_demonstrations(out)


def program(name: str) -> list[str]:
    """How a variant is called."""
    return [sys.executable, *([PROGRAMS[name]] if name in PROGRAMS else ["-m", "vla"])]


def chosen(kind: str, names: tuple[str, ...], known: Collection[str]) -> tuple[str, ...]:
    """What is named, or all that is known; the program ends where something is not known."""
    for name in names:
        if name not in known:
            print(f"error: {unknown_name(kind, name, known)}", file=sys.stderr)
            sys.exit(2)
    return names or tuple(known)


def run(out: Path, commands: dict[str, list[str]], lanes: int, done: str) -> None:
    """Run the commands of variants, `lanes` at a time, into a log each."""

    def one(name: str) -> None:
        with (out / f"{name}.log").open("a") as log:
            status = subprocess.run(commands[name], stdout=log, stderr=log).returncode
        print(f"{name}: {f'failed, see {out / name}.log' if status else done}", flush=True)

    out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(lanes) as pool:
        list(pool.map(one, commands))


def table(out: Path) -> str:
    """Success of each variant by split, and of its answers in `seen`, as Markdown.

    The column of all that is unseen counts the episodes of six splits together, where all were measured.
    """
    columns = [*SPLITS[:1], "all unseen", *SPLITS[1:], "listening", "questions"]
    lines = ["| variant | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, splits in reports(out).items():
        cells = [
            str(successes([splits[split] for split in group])) if splits.keys() >= set(group) else ""
            for group in (SPLITS[:1], UNSEEN, *([split] for split in SPLITS[1:]))
        ]
        heard = splits["seen"]["listening"]
        cells.append(str(Rate(heard["reached_named"], heard["episodes"])))
        families = splits["seen"]["questions"].values()
        asked = sum(family["questions"] for family in families)
        right = sum(round(family["accuracy"] * family["questions"]) for family in families)
        cells.append(str(Rate(right, asked)))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def plot_demonstrations(out: Path) -> None:
    """Draw success in place_in_bowl against the number of demonstrations into OUT/demonstrations.png."""
    rates = {
        int(name.split()[0]): successes([splits["seen"]])
        for name, splits in reports(out).items()
        if name in BOWL
    }
    if rates:
        plot_rates(rates, out / "demonstrations.png", "demonstrations of place_in_bowl")


def reports(out: Path) -> dict[str, dict[str, Any]]:
    """Variant -> split -> what was measured, of the variants that have been."""
    paths = {name: out / name / "eval" / "report.json" for name in VARIANTS}
    return {name: json.loads(path.read_text())["splits"] for name, path in paths.items() if path.is_file()}


def successes(splits: list[dict[str, Any]]) -> Rate:
    """Of all episodes of some splits."""
    results = [task["policy"] for split in splits for task in split["tasks"].values()]
    won, played = (sum(result[key] for result in results) for key in ("successes", "episodes"))
    return Rate(won, played)


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"train": train, "measure": measure})
