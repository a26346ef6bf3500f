"""Answers said in the other language."""

import gymnasium
import numpy as np
import pytest

import sim
from sim.language import questions, translate
from sim.language.vocabulary import LANGUAGES


@pytest.mark.parametrize(
    ("english", "japanese"),
    [
        ("yes", "はい"),
        ("i don't know", "わかりません"),
        ("two", "2個"),
        ("small red block", "小さい赤いブロック"),
        ("star card", "星のカード"),
        ("pick up the red block", "赤いブロックを持ち上げる"),
        ("put it in the blue bowl", "それを青いボウルに入れる"),
        (
            "red block x=0.623 m, y=-0.200 m, blue bowl x=0.100 m, y=0.200 m",
            "赤いブロック x=0.623 m, y=-0.200 m、青いボウル x=0.100 m, y=0.200 m",
        ),
    ],
)
def test_answers_are_said_in_the_other_language_and_back(english: str, japanese: str) -> None:
    assert translate(english, "ja") == japanese and translate(japanese, "en") == english
    assert translate(english, "en") == english and translate(japanese, "ja") == japanese


@pytest.mark.parametrize(
    "answer", ["x=0.623 m, y=-0.200 m", "7", "a green elephant", "", "block and bowl x=1 m"]
)
def test_what_is_no_phrase_of_the_simulator_stays(answer: str) -> None:
    assert translate(answer, "ja") == answer == translate(answer, "en")


def test_every_answer_of_the_simulator_has_its_translation() -> None:
    env = gymnasium.make(sim.TASKS["sort_by_color"], image_size=32).unwrapped
    rng = np.random.default_rng(0)
    checked = 0
    for _ in range(60):
        scene = env.sample_still(rng)[1]
        for language, other in zip(LANGUAGES, reversed(LANGUAGES), strict=True):
            for question in questions(scene, rng, language, 8):
                if question.answer is None or question.places:
                    continue
                said = translate(question.answer, other)
                assert said != question.answer or question.answer.isdigit() or len(question.answer) == 1
                # Counters differ by what is counted, which an answer alone does not say.
                assert translate(said, language)[0] == question.answer[0]
                checked += 1
    env.close()
    assert checked > 400
