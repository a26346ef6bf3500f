"""The report of an evaluation as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from vla.evaluation.failures import FAILURES

REPORT_FILES = ("report.json", "report.md", "*.png")
"""Patterns of the files of a report."""
COLUMNS = {
    "policy": "policy",
    "nearest": "nearest neighbour",
    "random": "random (floor)",
    "expert": "expert (ceiling)",
}


def markdown(report: Mapping[str, Any]) -> str:
    """Write the tables of a report that `vla.evaluation.suite.evaluate` made."""
    config, splits = report["config"], report["splits"]
    parts = [
        f"# Evaluation of {report['policy']}",
        f"{config['episodes']} episodes a task and split, at least {config['episodes_of_split']} a split, "
        f"held-out seeds from {config['seed']}, {config['execute']} actions of each chunk executed. "
        "In brackets the 95 % interval (Wilson).",
    ]
    if len(splits) > 1:
        parts += ["## Splits", _splits(splits)]
    for name, split in splits.items():
        parts += _split(name, split, config)
    return "\n\n".join(parts) + "\n"


def calibration_markdown(report: Mapping[str, Any]) -> str:
    """Write the table of what `vla.evaluation.calibrating.calibrate` found."""
    rows = [
        [kind, *_calibrated(part), f"{part['temperature']:.2f}", f"{part['offset']:+.2f}"]
        for kind, part in report["kinds"].items()
    ]
    rows += [["all", *_calibrated(report["all"]), "", ""]]
    header = ["kind of answer", "answers", "right", "error before", "after", "temperature", "offset"]
    given = report["given"]
    return "\n\n".join(
        [
            _table(header, rows),
            f"Answers that are less than {_percent(report['threshold'])} probably right are held back: "
            f"{given['answers']} of {report['all']['answers']} are given, of which "
            f"{_percent(given['accuracy'])} are right.",
        ]
    )


def asking_markdown(report: Mapping[str, Any]) -> str:
    """Write the tables of a report that `vla.evaluation.asking.evaluate_asking` made."""
    config = report["config"]
    parts = [
        f"# Answers of {report['policy']}",
        f"{config['scenes']} scenes a split, seeds from {config['seed']}. "
        "In brackets the 95 % interval (Wilson).",
    ]
    for name, split in report["splits"].items():
        parts += [f"## Split {name}", *_answers(split)]
    return "\n\n".join(parts) + "\n"


def _answers(split: Mapping[str, Any]) -> list[str]:
    premises, orders, confidence = split["premises"], split["instructions"], split["confidence"]
    rows = [[f"right, {language}", *_counted(rate)] for language, rate in split["answerable"].items()]
    rows += [
        [f"right in unseen wordings, {language}", *_counted(rate)]
        for language, rate in split["unseen_wordings"].items()
    ]
    rows += [
        ["same answer in unseen wordings", *_counted(split["agreement"])],
        ['"I don\'t know" where the picture does not tell', *_counted(premises["recall"])],
        ['the picture does not tell where "I don\'t know"', *_counted(premises["precision"])],
        ["refused of infeasible instructions", *_counted(orders["infeasible_refused"])],
        ["refused of feasible instructions", *_counted(orders["feasible_refused"])],
        ["right of answers not held back", *_counted(confidence["accuracy_of_answered"])],
        ["wrong of answers held back", *_counted(confidence["wrong_of_held_back"])],
    ]
    existence = [
        [kind, *_counted(part), *(f"{part[key]:.3f}" for key in ("precision", "recall", "f1", "yes_ratio"))]
        for kind, part in split["existence"].items()
    ]
    return [
        _table(["answers", "questions", "rate"], rows),
        f"Expected calibration error {confidence['error_before']:.3f} before calibration, "
        f"{confidence['error_after']:.3f} after; answers that are less than "
        f"{_percent(confidence['threshold'])} probably right are held back, "
        f"{_percent(confidence['answered'])} are given.",
        "### Is it there?",
        _table(["absent things", "questions", "right", "precision", "recall", "F1", "yes"], existence),
        "### Families",
        _questions(split["families"]),
        "### Families in unseen wordings",
        _questions(split["families_in_unseen_wordings"]),
    ]


def _counted(part: Mapping[str, Any]) -> list[str]:
    return [str(part["questions"]), _rate(part, "rate") if part["questions"] else ""]


def _calibrated(part: Mapping[str, Any]) -> list[str]:
    errors = (f"{part[key]:.3f}" for key in ("error_before", "error_after"))
    return [str(part["answers"]), _percent(part["accuracy"]), *errors]


def _splits(splits: Mapping[str, Any]) -> str:
    rows = [
        [name, str(len(split["tasks"])), str(split["episodes"]), _rate(split, "average_success_rate")]
        for name, split in splits.items()
    ]
    return _table(["split", "tasks", "episodes", "average of the tasks"], rows)


def _split(name: str, split: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    parts = [
        f"## Tasks of split {name}",
        _tasks(split["tasks"]),
        f"Average of the tasks: {_percent(split['average_success_rate'])}.",
    ]
    if any(results["policy"]["failures"] for results in split["tasks"].values()):
        parts += ["### Failures", _failures(split["tasks"])]
    if "listening" in split:
        parts += ["### Listening", _listening(split["listening"])]
    if "questions" in split:
        parts += [
            "### Questions",
            f"{config['scenes']} held-out scenes. A place counts as right within 2 cm, "
            "an inventory where it names exactly what is there and every place is right.",
            _questions(split["questions"]),
        ]
    return parts


def _failures(tasks: Mapping[str, Any]) -> str:
    found = {task: results["policy"]["failures"] for task, results in tasks.items()}
    causes = [cause for cause in FAILURES if any(cause in counts for counts in found.values())]
    rows = [
        [task, *(str(counts.get(cause, "")) for cause in causes)] for task, counts in found.items() if counts
    ]
    return _table(["task", *causes], rows)


def _tasks(tasks: Mapping[str, Any]) -> str:
    drivers = [name for name in COLUMNS if name in next(iter(tasks.values()))]
    languages = sorted(next(iter(tasks.values()))["policy"]["languages"])
    header = [
        "task",
        *(COLUMNS[name] for name in drivers),
        *(f"policy, {name}" for name in languages),
        "steps",
    ]
    rows = []
    for task, results in tasks.items():
        policy = results["policy"]
        rates = [_rate(results[name], "success_rate") for name in drivers]
        spoken = [_rate(policy["languages"][name], "success_rate") for name in languages]
        rows.append([task, *rates, *spoken, f"{policy['mean_steps']:.1f}"])
    return _table(header, rows)


def _listening(listening: Mapping[str, Any]) -> str:
    return (
        "The instruction names another object of the scene than the one that the task is about. "
        f"The robot came first to the named one in {_rate(listening, 'rate')} "
        f"of {listening['episodes']} episodes, to another one in {listening['reached_other']}, "
        f"to none in {listening['reached_none']}."
    )


def _questions(families: Mapping[str, Any]) -> str:
    languages = sorted({name for family in families.values() for name in family["languages"]})
    rows = []
    for name, family in families.items():
        spoken = [family["languages"].get(language) for language in languages]
        error = family.get("median_error_cm")
        rows.append(
            [
                name,
                str(family["questions"]),
                _rate(family, "accuracy"),
                *("" if part is None else _rate(part, "accuracy") for part in spoken),
                "" if error is None else f"{error:.2f} cm",
            ]
        )
    return _table(["family", "questions", "right", *languages, "median error"], rows)


def _rate(part: Mapping[str, Any], key: str) -> str:
    low, high = part["interval"]
    return f"{_percent(part[key])} [{100 * low:.0f}, {100 * high:.0f}]"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
