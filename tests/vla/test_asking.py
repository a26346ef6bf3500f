"""The measurement of answers, on an oracle that knows the truth and on rates worked by hand."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from sim.language import Question
from vla.actions.locations import location_text
from vla.config import AskEvalConfig
from vla.errors import UnknownNameError
from vla.evaluation import asking
from vla.evaluation.questions import Asked, judge
from vla.inference.calibration import Calibration
from vla.types import Answer

CONFIG = AskEvalConfig(scenes=18)
ENGINE = cast(Any, SimpleNamespace(config=SimpleNamespace(image_size=32), calibration=Calibration({}, 0.5)))


def truth(question: Question) -> Answer:
    text, places = question.answer, question.places
    if text is None:
        assert question.point is not None
        text, places = "{point}", (question.point,)
    for place in places:
        text = text.replace("{point}", location_text(place), 1)
    point = places[0] if question.answer is None else None
    return Answer(text.lower(), 0.9, point, places, np.array([0.9]))


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask_all(engine: Any, drawn: list[tuple[Any, Question]]) -> list[Asked]:
        return [judge(question, truth(question)) for _, question in drawn]

    monkeypatch.setattr(asking, "ask_all", ask_all)


def test_an_oracle_is_right_everywhere(oracle: None, tmp_path: Path) -> None:
    report = asking.evaluate_asking(ENGINE, CONFIG, tmp_path / "out", "oracle")
    found = report["splits"]["seen"]
    for language in ("en", "ja"):
        assert found["answerable"][language]["rate"] == found["unseen_wordings"][language]["rate"] == 1.0
    assert found["agreement"]["rate"] == 1.0
    for family in found["families"]:
        assert found["families_in_unseen_wordings"][family]["accuracy"] == 1.0
    assert found["premises"]["recall"]["rate"] == found["premises"]["precision"]["rate"] == 1.0
    assert found["instructions"]["infeasible_refused"]["rate"] == 1.0
    assert found["instructions"]["feasible_refused"]["rate"] == 0.0
    for kind in found["existence"].values():
        assert kind["f1"] == pytest.approx(1.0) and kind["questions"] > 20
    assert found["confidence"]["error_after"] == pytest.approx(0.1)
    assert found["confidence"]["answered"] == 1.0
    written = tmp_path / "out"
    assert json.loads((written / "report.json").read_text()) == json.loads(json.dumps(report))
    assert "| adversarial |" in (written / "report.md").read_text()
    assert (written / "risk-seen.png").stat().st_size > 1000


def test_the_same_scenes_are_asked_about_again(oracle: None, tmp_path: Path) -> None:
    first, second = (
        asking.evaluate_asking(ENGINE, AskEvalConfig(scenes=6), tmp_path / name, "") for name in ("a", "b")
    )
    assert first == second


def test_detection_by_hand() -> None:
    found = asking._detection([True, True, True, False], [True, False, False, False])
    assert (found["precision"], found["recall"]) == (0.75, 0.75)
    assert found["f1"] == pytest.approx(0.75) and found["yes_ratio"] == 0.5 and found["rate"] == 0.75


def test_answers_agree_where_places_are_near() -> None:
    def at(x: float) -> Answer:
        place = (x, 0.1)
        return Answer(location_text(place), 0.5, place, (place,), np.ones(1))

    assert asking._agree(at(0.5), at(0.519)) and not asking._agree(at(0.5), at(0.521))
    red, blue = (Answer(text, 0.5, None, (), np.ones(1)) for text in ("red", "blue"))
    assert asking._agree(red, red) and not asking._agree(red, blue) and not asking._agree(red, at(0.5))


def test_unknown_splits_and_languages_are_refused() -> None:
    for changes, message in (({"splits": ["sean"]}, "'seen'"), ({"languages": {"de": 1.0}}, "'de'")):
        with pytest.raises(UnknownNameError, match=message):
            asking.check_config(CONFIG.model_copy(update=changes))
