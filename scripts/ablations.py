"""Train variants of a preset on equal budgets and measure each: which part is worth what.

Usage: scripts/ablations.py train OUT --data DEMOS ..., see scripts/gpu_ablations.sh
       scripts/ablations.py measure OUT
The first trains each variant into OUT/NAME/run, several at a time: small models leave a GPU idle. Nearly all
go on from a model that has learned questions alone: of what learns everything at once, too few episodes
succeed after as many steps to tell variants apart. The second evaluates what is trained, where there are
processor cores for it, into OUT/NAME/eval, and writes OUT/table.md and OUT/demonstrations.png. What is
finished is not done again.
"""

import json
import subprocess
import sys
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tyro

from vla.errors import unknown_name
from vla.evaluation.metrics import Rate
from vla.evaluation.plots import plot_rates
from vla.training.checkpoint import load_model, save_model


@dataclass(frozen=True)
class Variant:
    """What is another one than the preset.

    Args:
        changes: settings for `--set`.
        begin: "asked" goes on from the model that has learned questions alone; "own" has learned them first
            in its own way, in OUT/NAME/questions; "new" has learned nothing.
        model: what is changed in the configuration of that model, of which questions take no notice.
        program: what is called in place of `vla`, a file of scripts/variants: tried, not in the package.
    """

    changes: tuple[str, ...] = ()
    begin: Literal["asked", "own", "new"] = "asked"
    model: dict[str, Any] = field(default_factory=dict)
    program: str = ""


ASKED = "questions alone"
QUESTIONS_ALONE = "mixture.motion_share=0"
ACTIONS_ALONE = ("mixture.motion_share=1", "mixture.questions_per_image=0")
NO_CLIP = ("model.vision.pretrained=null", "loop.rates.vision=1")
WORDS = "color, existence, symbol, shape, size, count, done, state, opening, feasible"
MANY = 510  # demonstrations are the first episodes; moments come behind them
VARIANTS = {
    ASKED: Variant((QUESTIONS_ALONE,), begin="new"),
    "from scratch": Variant(NO_CLIP + ACTIONS_ALONE, begin="new"),
    "fine-tuned": Variant(ACTIONS_ALONE),
    "co-fine-tuned": Variant(),
    "japanese in questions alone": Variant(("data={english}",)),
    "no moments": Variant((f"mixture.demonstrations={MANY}",)),
    "actions 0.3 of the mixture": Variant(("mixture.motion_share=0.3",)),
    "actions 0.8 of the mixture": Variant(("mixture.motion_share=0.8",)),
    "chunks of 1": Variant(model={"action_horizon": 1}),
    "chunks of 8": Variant(("mixture.max_tokens=220",), model={"action_horizon": 8}),
    "no plan": Variant(model={"plan": False}),
    "no wrist camera": Variant(model={"wrist_image_size": 0, "num_wrist_tokens": 0}),
    "no proprioception": Variant(model={"state_dim": 0}),
    "no augmentation": Variant(("augment=null",)),
    "actions in one pass": Variant(program="one_pass.py"),
    "waypoints for actions": Variant(program="waypoints.py"),
    "no moments, FAST for bins": Variant((f"mixture.demonstrations={MANY}",), program="fast.py"),
    "no image encoder pretraining": Variant(NO_CLIP, begin="own"),
    "sigmoid loss in pretraining": Variant(("model.vision.pretrained={siglip}",), begin="own"),
    "no questions about places": Variant((f"mixture.question_families=[{WORDS}]",), begin="own"),
    "one turn a picture": Variant(begin="own", program="one_turn.py"),
    "words before pictures": Variant(begin="own", program="language_first.py"),
    "FiLM": Variant(begin="own", program="film.py"),
    "recurrent decoder": Variant(begin="own", program="recurrent.py"),
    **{
        f"{count} demonstrations": Variant(("data={bowl}", f"mixture.demonstrations={count}"))
        for count in (10, 100, 1000)
    },
}
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
    """Train the variants, or only some, in `lanes` processes; `steps` of questions, then as many of all."""
    variants = {name: VARIANTS[name] for name in chosen("variant", only, VARIANTS)}
    folders = {"siglip": siglip, "bowl": bowl, "english": english}
    new = [f"model.tokenizer={tokenizer}", f"model.vision.pretrained={clip}"]
    loop = [f"loop.steps={steps}", f"loop.warmup_steps={steps // 10}", "loop.device=auto"]

    def command(name: str, folder: str, begin: list[str], *last: str) -> list[str]:
        changes = [change.format(**folders) for change in VARIANTS[name].changes]
        if begin is not new:
            changes = [change for change in changes if not change.startswith("model.")]
        train = [*program(name), "train", "vla", str(preset), "--out", str(out / name / folder)]
        return [*train, "--set", f"data={data}", *begin, *loop, *sets, *changes, *last]

    first, second = {}, {}
    for name, variant in variants.items():
        if variant.begin == "new":
            first[name] = command(name, "run", new)
        elif variant.begin == "own":
            first[name] = command(name, "questions", new, QUESTIONS_ALONE)
    run(out, first, lanes, "trained")
    for name, variant in variants.items():
        if variant.begin != "new":
            start = out / (f"{name}/questions" if variant.begin == "own" else f"{ASKED}/run") / "checkpoint"
            if not start.is_dir():
                hint = f"see {out / name}.log" if variant.begin == "own" else f"train {ASKED!r} first"
                print(f"error: {name} goes on from {start}, which is not there; {hint}", file=sys.stderr)
                continue
            if variant.model:
                start = altered(start, out / name / "start", variant.model)
            second[name] = command(name, "run", ["model=null", f"init={start}"])
    run(out, second, lanes, "trained")
    if len(second) < sum(variant.begin != "new" for variant in variants.values()):
        sys.exit(2)


def altered(checkpoint: Path, folder: Path, changes: dict[str, Any]) -> Path:
    """Write a copy of a checkpoint with changes of its configuration into a folder."""
    model, processor = load_model(checkpoint)
    for key, value in changes.items():
        setattr(model.config, key, value)
    if not model.config.state_dim:
        model.state_projector = None
    processor.num_wrist_tokens = model.config.num_wrist_tokens
    save_model(folder, model, processor, {"init": str(checkpoint), "model": changes})
    return folder


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
    file = VARIANTS[name].program
    return [sys.executable, *([f"scripts/variants/{file}"] if file else ["-m", "vla"])]


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
