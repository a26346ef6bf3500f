"""Questions whether something is there, about what is absent in three ways."""

import gymnasium
import numpy as np
import pytest

import sim
from sim.language import LANGUAGES, NEGATIVES, absent_pair, ask_whether, shown_pairs


@pytest.fixture(scope="module")
def scenes():
    env = gymnasium.make(sim.TASKS["sort_by_color"], image_size=32).unwrapped
    rng = np.random.default_rng(0)
    found = [env.sample_still(rng)[1] for _ in range(40)]
    env.close()
    return found


def test_what_is_shown_is_asked_about_truly(scenes):
    rng = np.random.default_rng(1)
    for scene in scenes:
        for pair in shown_pairs(scene):
            for language in LANGUAGES:
                question = ask_whether(scene, pair, language, rng)
                assert question.answer in ("yes", "はい") and question.family == "existence"


@pytest.mark.parametrize("kind", NEGATIVES)
def test_what_is_absent_is_nowhere_on_the_table(scenes, kind):
    rng = np.random.default_rng(2)
    popular = [("red", "block"), ("green", "bowl"), ("blue", "ball")]
    drawn = [absent_pair(scene, kind, popular, rng) for scene in scenes]
    assert sum(pair is not None for pair in drawn) > 30
    for scene, pair in zip(scenes, drawn, strict=True):
        if pair is None:
            continue
        things = {(thing["color"], thing["shape"]) for thing in scene["objects"]}
        assert pair not in things
        assert ask_whether(scene, pair, "en", rng).answer == "no"
        if kind == "adversarial":
            assert pair[0] in {color for color, _ in things} and pair[1] in {shape for _, shape in things}
        if kind == "popular":
            before = popular[: popular.index(pair)]
            assert set(before) <= things
