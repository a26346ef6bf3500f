"""Fit how probable a checkpoint's answers really are, and write it into the checkpoint (`vla calibrate`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.variations import find_split
from vla.config import check_seed
from vla.errors import ConfigError
from vla.evaluation.metrics import expected_calibration_error
from vla.evaluation.questions import ask_about_scenes
from vla.files import atomic_write
from vla.inference.calibration import fit, kind_of
from vla.types import Answer

if TYPE_CHECKING:
    from vla.inference.engine import Engine

CONFIG = "config.json"
LANGUAGES = {"en": 0.5, "ja": 0.5}
"""Share of the questions in each."""


def calibrate(engine: Engine, checkpoint: Path, scenes: int, seed: int, split: str) -> dict[str, Any]:
    """Ask about scenes that no training saw, fit the calibration and store it in the checkpoint.

    Args:
        engine: the checkpoint's.
        checkpoint: its folder; config.json there is replaced.
        scenes: that questions are asked about.
        seed: of scenes and questions; it must not be that of an evaluation.
        split: that the scenes are drawn from.
    Returns:
        The threshold, and number, accuracy and calibration error before and after of all answers, of those of
        each kind (with its temperature and offset) and of those that are not held back.
    Raises:
        ConfigError, SimError: no scenes, a negative seed, or an unknown split.
    """
    if scenes < 1:
        raise ConfigError(f"--scenes is {scenes}; it must be at least 1")
    check_seed(seed)
    find_split(split)
    asked = ask_about_scenes(engine, scenes, seed, LANGUAGES, split)
    correct = [item.correct for item in asked]
    fitted = fit([item.answer for item in asked], correct)
    values = json.loads((checkpoint / CONFIG).read_text(encoding="utf-8"))
    values["calibration"] = fitted.as_dict()
    atomic_write(checkpoint / CONFIG, (json.dumps(values, indent=2) + "\n").encode())
    answers = [replace(item.answer, confidence=fitted.confidence(item.answer)) for item in asked]
    given = [fitted.trusts(answer) for answer in answers]
    kinds = {}
    for kind, (temperature, offset) in fitted.scales.items():
        of_kind = [kind_of(answer) == kind for answer in answers]
        kinds[kind] = {"temperature": temperature, "offset": offset, **_summary(answers, correct, of_kind)}
    everything = _summary(answers, correct, [True] * len(answers))
    return {"kinds": kinds, "all": everything, "threshold": fitted.threshold} | {
        "given": _summary(answers, correct, given)
    }


def _summary(answers: Sequence[Answer], correct: Sequence[bool], chosen: Sequence[bool]) -> dict[str, Any]:
    kept = list(compress(answers, chosen))
    right = list(compress(correct, chosen))
    return {
        "answers": len(kept),
        "accuracy": sum(right) / max(len(right), 1),
        "error_before": expected_calibration_error([answer.likelihood for answer in kept], right),
        "error_after": expected_calibration_error([answer.confidence for answer in kept], right),
    }
