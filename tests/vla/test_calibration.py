"""Confidences that come true, and answers that are held back."""

from dataclasses import replace

import numpy as np
import pytest

from sim.language.vocabulary import LANGUAGES, vocabulary
from vla.evaluation.metrics import expected_calibration_error, risk_coverage
from vla.inference.calibration import (
    NO,
    TARGET_ACCURACY,
    UNKNOWN,
    YES,
    Calibration,
    choose_threshold,
    fit,
    kind_of,
)
from vla.types import Answer


def said(text: str, likelihood: float = 0.5, *places: tuple[float, float]) -> Answer:
    point = places[0] if text == "" else None
    return Answer(text, likelihood, point, places, np.array([likelihood], np.float64))


def test_the_words_are_those_that_the_simulator_teaches() -> None:
    replies = [vocabulary(language).replies for language in LANGUAGES]
    assert {language: vocabulary(language).replies["unknown"] for language in LANGUAGES} == UNKNOWN
    for name, said in (("yes", YES), ("no", NO)):
        assert said == tuple(words[name] for words in replies)


def test_kinds_of_answers() -> None:
    place = (0.5, 0.1)
    assert kind_of(said("i don't know")) == kind_of(said("わかりません")) == "unknown"
    assert kind_of(said("はい")) == kind_of(said("no")) == "yes or no"
    assert kind_of(said("", 0.5, place)) == "place"
    assert kind_of(said("red block x=0.5", 0.5, place)) == "inventory"
    assert kind_of(said("red")) == "words"


def overconfident(count: int) -> tuple[list[Answer], list[bool]]:
    """Answers that are right as often as sigmoid(log-odds / 2 - 0.5) says."""
    rng = np.random.default_rng(0)
    odds = rng.normal(2.0, 3.0, count)
    right = rng.random(count) < 1 / (1 + np.exp(0.5 - odds / 2))
    return [said("red", float(1 / (1 + np.exp(-value)))) for value in odds], right.tolist()


def test_fitting_finds_the_temperature_and_makes_confidences_come_true() -> None:
    answers, right = overconfident(5000)
    fitted = fit(answers, right)
    temperature, offset = fitted.scales["words"]
    assert temperature == pytest.approx(2.0, rel=0.15) and offset == pytest.approx(-0.5, abs=0.15)
    others, outcome = overconfident(3000)
    before = expected_calibration_error([answer.likelihood for answer in others], outcome)
    after = expected_calibration_error([fitted.confidence(answer) for answer in others], outcome)
    assert before > 0.1 and after < 0.03


def test_calibration_survives_its_json() -> None:
    fitted = fit(*overconfident(200))
    assert Calibration.from_dict(fitted.as_dict()) == fitted
    answer = said("yes", 0.7)
    assert Calibration.from_dict(None).confidence(answer) == pytest.approx(0.7)


def test_answers_above_the_threshold_are_accurate() -> None:
    rng = np.random.default_rng(1)
    sure = rng.random(4000)
    right = rng.random(4000) < sure
    threshold = choose_threshold(sure, right)
    assert right[sure >= threshold].mean() >= TARGET_ACCURACY
    assert right[sure >= threshold - 0.05].mean() < TARGET_ACCURACY
    assert choose_threshold(sure, np.ones(4000, bool)) == 0.0
    assert choose_threshold(sure, np.zeros(4000, bool)) == pytest.approx(sure.max(), abs=1e-4)
    assert choose_threshold(np.zeros(0), np.zeros(0, bool)) == 0.0


@pytest.mark.parametrize(
    ("question", "unknown"), [("what colour is it?", "i don't know"), ("何色ですか？", "わかりません")]
)
def test_an_unsure_answer_is_held_back_in_the_language_of_the_question(question: str, unknown: str) -> None:
    calibration = Calibration({}, 0.6)
    answer = replace(said("", 0.5, (0.5, 0.1)), text="x=0.500 m, y=0.100 m")
    held = calibration.hold_back(answer, question)
    assert (held.text, held.guess, held.point, held.places) == (unknown, answer.text, None, ())
    assert held.confidence == answer.confidence
    for kept in (said("red", 0.6), said(unknown, 0.1)):
        assert calibration.hold_back(kept, question) is kept


def test_calibration_error_and_risk_by_hand() -> None:
    assert expected_calibration_error([0.9, 0.9, 0.1, 0.1], [True, False, False, False]) == pytest.approx(
        0.25
    )
    assert expected_calibration_error([1.0, 0.0], [True, False]) == 0.0
    assert risk_coverage([0.2, 0.9, 0.5], [True, True, False]) == [
        (pytest.approx(1 / 3), 0.0),
        (pytest.approx(2 / 3), 0.5),
        (1.0, pytest.approx(1 / 3)),
    ]
