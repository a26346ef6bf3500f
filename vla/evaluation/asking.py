"""The measurement of answers: right, honest, sure when right, the same however asked (`vla eval ask`)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sim.language import LANGUAGES, NEGATIVES, absent_pair, ask_whether, shown_pairs
from sim.language.vocabulary import Phrasing, pick
from sim.scene import Scene
from sim.variations import SPLITS
from vla.config import AskEvalConfig
from vla.data.vqa import draw_language
from vla.errors import unknown_name
from vla.evaluation.metrics import Rate, distance_cm, expected_calibration_error, risk_coverage
from vla.evaluation.plots import plot_risk
from vla.evaluation.questions import (
    NEAR_CM,
    Asked,
    View,
    ask_all,
    draw_scenes,
    one_of_each,
    summarise,
    watch,
)
from vla.evaluation.report import REPORT_FILES, asking_markdown
from vla.files import atomic_directory, check_replaceable
from vla.inference.calibration import NO, YES, kind_of
from vla.types import Answer

if TYPE_CHECKING:
    from vla.inference.engine import Engine

PREMISE, ORDER = "unanswerable", "feasible"
"""Families: questions that the picture does not answer, and whether an instruction can be carried out."""
POPULAR = 20
"""Pairs of colour and shape that count as popular."""
POINTS = 100
"""Of the curve of risk and coverage."""

ByScene = dict[tuple[int, str], Asked]
"""What was asked, by scene and family."""


def check_config(config: AskEvalConfig) -> None:
    """Raise an error of the user's unless every split and language is known."""
    for split in config.splits:
        if split not in SPLITS:
            raise unknown_name("split", split, SPLITS)
    for language in config.languages:
        if language not in LANGUAGES:
            raise unknown_name("language", language, LANGUAGES)


def evaluate_asking(engine: Engine, config: AskEvalConfig, out: Path, policy: str) -> dict[str, Any]:
    """Ask about scenes that no training saw, and write report.json, report.md and plots.

    Args:
        engine: the model.
        config: how much to ask.
        out: folder for the report; an earlier report there is replaced.
        policy: what the report calls the model.
    Returns:
        What report.json holds.
    Raises:
        DataError: in `out` lies what is no report.
    """
    check_replaceable(out, REPORT_FILES)
    report: dict[str, Any] = {"policy": policy, "config": config.model_dump(mode="json"), "splits": {}}
    with atomic_directory(out) as folder:
        for split in config.splits:
            scenes = draw_scenes(config.scenes, config.seed, engine.config.image_size, split)
            views = list(watch(scenes, config.scenes))
            found = _measure(engine, views, config)
            plot_risk(
                found["confidence"]["risk"], found["confidence"]["answered"], folder / f"risk-{split}.png"
            )
            report["splits"][split] = found
        (folder / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
        (folder / "report.md").write_text(asking_markdown(report), encoding="utf-8")
    return report


def _measure(engine: Engine, views: Sequence[View], config: AskEvalConfig) -> dict[str, Any]:
    by_scene, reworded = (_ask(engine, views, config, phrasing) for phrasing in ("train", "held_out"))
    asked = list(by_scene.values())
    return {
        "families": summarise(asked),
        "families_in_unseen_wordings": summarise(list(reworded.values())),
        "answerable": _by_language(_answerable(by_scene)),
        "unseen_wordings": _by_language(_answerable(reworded)),
        "agreement": _agreement(by_scene, reworded),
        "existence": _existence(engine, views, config),
        "premises": _premises(asked),
        "instructions": _instructions(asked),
        "confidence": _confidence(engine, asked),
    }


def _ask(engine: Engine, views: Sequence[View], config: AskEvalConfig, phrasing: Phrasing) -> ByScene:
    keys, drawn = [], []
    for index, (picture, scene) in enumerate(views):
        for question in one_of_each(scene, [config.seed, index], config.languages, phrasing=phrasing):
            keys.append((index, question.family))
            drawn.append((picture, question))
    return dict(zip(keys, ask_all(engine, drawn), strict=True))


def _answerable(by_scene: ByScene) -> list[Asked]:
    return [item for item in by_scene.values() if item.question.family != PREMISE]


def _by_language(asked: Sequence[Asked]) -> dict[str, Any]:
    languages = sorted({item.question.language for item in asked})
    return {
        language: _rate([item.correct for item in asked if item.question.language == language])
        for language in languages
    }


def _agreement(by_scene: ByScene, reworded: ByScene) -> dict[str, Any]:
    """How often the same question in other words has the same answer, right or wrong."""
    pairs = [(by_scene[key].answer, reworded[key].answer) for key in by_scene if key in reworded]
    return _rate([_agree(first, second) for first, second in pairs])


def _agree(first: Answer, second: Answer) -> bool:
    if first.point is not None and second.point is not None:
        return distance_cm(first.point, second.point) <= NEAR_CM
    if first.places and len(first.places) == len(second.places):
        pairs = zip(first.places, second.places, strict=True)
        return all(distance_cm(one, other) <= NEAR_CM for one, other in pairs)
    return first.text == second.text


def _existence(engine: Engine, views: Sequence[View], config: AskEvalConfig) -> dict[str, Any]:
    """POPE (arXiv:2305.10355): in each scene one question about what is there, and one of each absence."""
    counts = Counter(pair for _, scene in views for pair in shown_pairs(cast(Scene, scene)))
    popular = [pair for pair, _ in counts.most_common(POPULAR)]
    kinds: list[str] = []
    drawn = []
    for index, (picture, truth) in enumerate(views):
        scene = cast(Scene, truth)
        rng = np.random.default_rng([config.seed, index, len(NEGATIVES)])
        language = draw_language(config.languages, rng)
        shown = shown_pairs(scene)
        asked = {"present": pick(rng, shown) if shown else None}
        asked |= {kind: absent_pair(scene, kind, popular, rng) for kind in NEGATIVES}
        for kind, pair in asked.items():
            if pair is not None:
                kinds.append(kind)
                drawn.append((picture, ask_whether(scene, pair, language, rng)))
    answered = ask_all(engine, drawn)
    said_yes = {
        kind: [item.answer.text in YES for name, item in zip(kinds, answered, strict=True) if name == kind]
        for kind in ("present", *NEGATIVES)
    }
    return {kind: _detection(said_yes["present"], said_yes[kind]) for kind in NEGATIVES}


def _detection(present: Sequence[bool], absent: Sequence[bool]) -> dict[str, Any]:
    """Of what is there and what is not, where yes was said."""
    hits, false_alarms = sum(present), sum(absent)
    precision, recall = hits / max(hits + false_alarms, 1), hits / max(len(present), 1)
    right = [*present, *(not said for said in absent)]
    return {
        **_rate(right),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(precision + recall, 1e-9),
        "yes_ratio": (hits + false_alarms) / max(len(right), 1),
    }


def _premises(asked: Sequence[Asked]) -> dict[str, Any]:
    """How often "I don't know" is said of what the picture does not tell, and only of that."""
    false = [item.question.family == PREMISE for item in asked]
    unknown = [kind_of(item.answer) == "unknown" for item in asked]
    both = [(premise, said) for premise, said in zip(false, unknown, strict=True)]
    return {
        "recall": _rate([said for premise, said in both if premise]),
        "precision": _rate([premise for premise, said in both if said]),
    }


def _instructions(asked: Sequence[Asked]) -> dict[str, Any]:
    """How often what cannot be done is said to be impossible, and what can be done, too."""
    orders = [item for item in asked if item.question.family == ORDER]
    refused = {
        truth: [item.answer.text in NO for item in orders if item.question.answer in truth]
        for truth in (YES, NO)
    }
    return {"infeasible_refused": _rate(refused[NO]), "feasible_refused": _rate(refused[YES])}


def _confidence(engine: Engine, asked: Sequence[Asked]) -> dict[str, Any]:
    """How true confidences are before and after calibration, and what holding unsure answers back does."""
    correct = [item.correct for item in asked]
    sure = [item.answer.confidence for item in asked]
    given = [engine.calibration.trusts(item.answer) for item in asked]
    curve = risk_coverage(sure, correct)
    return {
        "error_before": expected_calibration_error([item.answer.likelihood for item in asked], correct),
        "error_after": expected_calibration_error(sure, correct),
        "threshold": engine.calibration.threshold,
        "answered": sum(given) / max(len(given), 1),
        "accuracy_of_answered": _rate([right for right, kept in zip(correct, given, strict=True) if kept]),
        "wrong_of_held_back": _rate(
            [not right for right, kept in zip(correct, given, strict=True) if not kept]
        ),
        "risk": curve[:: max(len(curve) // POINTS, 1)],
    }


def _rate(outcomes: Sequence[bool]) -> dict[str, Any]:
    if not outcomes:
        return {"questions": 0}
    rate = Rate.of(outcomes)
    return {"questions": rate.trials, "rate": rate.value, "interval": list(rate.interval)}
