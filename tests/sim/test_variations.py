"""Splits: nothing that is held out occurs in what our recipes record."""

from pathlib import Path

import numpy as np
import pytest
import yaml

import sim
from sim.env import TabletopEnv
from sim.language import LANGUAGES, parse_instruction
from sim.language.vocabulary import vocabulary
from sim.objects import BASIC_COLORS, HELD_OUT_PAIRS, MOVABLE, SHAPES, UNSEEN_EASY, UNSEEN_HARD
from sim.still import draw_still
from sim.symbols import EMERGENT_SYMBOLS
from sim.tasks import TASK_CLASSES
from sim.variations import SEEN_SYMBOLS, SPLITS, TRAINING_SPLITS, slots
from sim.view import EASY_COLORS, HARD_COLORS, SEEN_COLORS, draw_view
from tests.sim.reader import wordings

RECIPES = [
    yaml.safe_load(path.read_text())
    for path in (Path(__file__).parents[2] / "datasets").glob("*/recipe.yaml")
]
DRAWS = 150


@pytest.fixture(scope="module", params=TRAINING_SPLITS)
def drawn(request):
    """Layouts of every task, and stills, of a training split."""
    split, rng = SPLITS[request.param], np.random.default_rng(0)
    kit = slots(split)
    tasks = [task for task in TASK_CLASSES.values() if task.shapes(split)]
    layouts = [task().layout(rng, split, kit) for task in tasks for _ in range(DRAWS)]
    return request.param, layouts, [draw_still(rng, split, kit).layout for _ in range(1500)]


def test_recipes_record_training_splits_only():
    assert len(RECIPES) == 5
    assert {recipe["split"] for recipe in RECIPES} <= set(TRAINING_SPLITS)
    for recipe in RECIPES:
        assert all(TASK_CLASSES[task].shapes(SPLITS[recipe["split"]]) for task in recipe["tasks"])


def test_no_held_out_pair_or_shape_is_recorded(drawn):
    name, layouts, stills = drawn
    pairs = {(item.color, item.shape) for layout in layouts + stills for item in layout.objects}
    assert not pairs & HELD_OUT_PAIRS
    demonstrated = {item.shape for layout in layouts for item in layout.objects}
    pictured = {item.shape for layout in stills for item in layout.objects}
    assert not demonstrated & {*UNSEEN_EASY, *UNSEEN_HARD} and not pictured & set(UNSEEN_HARD)
    if name == "seen":
        assert set(UNSEEN_EASY) <= pictured and demonstrated == set(SHAPES) - {*UNSEEN_EASY, *UNSEEN_HARD}
        # Each colour and each shape of a held-out pair is there by itself.
        assert {color for color, _ in HELD_OUT_PAIRS} <= {color for color, _ in pairs}
        assert {shape for _, shape in HELD_OUT_PAIRS} <= demonstrated


def test_emergent_symbols_are_in_no_demonstration(drawn):
    name, layouts, stills = drawn
    shown = {item.symbol for layout in layouts for item in layout.objects}
    assert not shown & set(EMERGENT_SYMBOLS)
    if name == "seen":
        assert set(SEEN_SYMBOLS) <= shown
        assert set(EMERGENT_SYMBOLS) <= {item.symbol for layout in stills for item in layout.objects}


@pytest.mark.parametrize("split", TRAINING_SPLITS)
def test_no_held_out_cloth_or_environment_is_recorded(split):
    rng = np.random.default_rng(0)
    for _ in range(300):
        view = draw_view(rng, SPLITS[split].background, SPLITS[split].environment)
        assert view.background.pattern == "plain" and view.background.colors[0] in SEEN_COLORS
        assert np.hypot.reduce(view.eye_shift) <= 0.0101 and view.light.color == (1.0, 1.0, 1.0)
    held_out = {*EASY_COLORS, *(color for pair in HARD_COLORS for color in pair)}
    assert not held_out & set(SEEN_COLORS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("group", ["instructions", "questions"])
def test_held_out_templates_are_not_training_templates(language, group):
    words = vocabulary(language)
    train = getattr(words, group)
    held_out = words.held_out if group == "instructions" else words.held_out_questions
    assert set(train) == set(held_out)
    every = {text for templates in train.values() for template in templates for text in wordings(template)}
    for kind, templates in held_out.items():
        assert len(templates) >= (2 if group == "instructions" else 1), kind
        assert not every & {text for template in templates for text in wordings(template)}, kind


@pytest.mark.parametrize("task", sim.TASKS)
def test_every_task_offers_the_splits_that_it_can(task):
    offered = {name for name, split in SPLITS.items() if TASK_CLASSES[task].shapes(split)}
    assert {"seen", "paraphrases", "japanese", "infeasible", "unseen_pairs"} <= offered
    assert ("unseen_objects_easy" in offered) == bool(set(UNSEEN_EASY) & set(TASK_CLASSES[task].roles[0]))


@pytest.mark.parametrize("split", SPLITS)
def test_what_a_split_shows_is_what_it_is_about(split):
    task = {"symbols": "place_on_card"}.get(split, "pick_up")
    env = TabletopEnv(task, split=split, image_size=32)
    for seed in range(8):
        _, info = env.reset(seed=seed)
        scene = info["scene"]
        target = next(item for item in scene["objects"] if item["name"] == scene["target"])
        pair = (target["color"], target["shape"])
        assert (pair in HELD_OUT_PAIRS) == (split == "unseen_pairs")
        assert scene["feasible"] == (split != "infeasible")
        assert (not info["instruction"].isascii()) == (split == "japanese")
        wanted = {"unseen_objects_easy": UNSEEN_EASY, "unseen_objects_hard": UNSEEN_HARD}.get(split, MOVABLE)
        assert target["shape"] in wanted
        if split == "basic":
            assert {item["shape"] for item in scene["objects"]} <= {"block", "bowl", "zone"}
            assert {item["color"] for item in scene["objects"]} <= set(BASIC_COLORS)
        if split == "symbols":
            goal = next(item for item in scene["objects"] if item["name"] == scene["goal"])
            assert goal["symbol"] in EMERGENT_SYMBOLS
        if split == "unseen_objects_hard":  # "the red object": no other object is red
            assert sum(item["color"] == target["color"] for item in scene["objects"]) == 1
            assert parse_instruction(info["instruction"]).target.color == target["color"]
        if split == "unseen_backgrounds_hard":
            assert scene["view"]["background"]["pattern"] != "plain"
    env.close()
