"""Instructions, captions and the words of both languages; colours read back from text."""

import re
import unicodedata
from collections import Counter

import numpy as np
import pytest

from sim.errors import SimError
from sim.language import (
    LANGUAGES,
    caption,
    colors_named,
    corpus,
    image_left_key,
    instruction,
    named_objects,
    unknown_colors_named,
)
from sim.language.vocabulary import vocabulary
from sim.objects import COLORS, SHAPES

GOALS = {"reach": None, "pick_up": None, "push": "zone", "place_in_bowl": "bowl"}


def draw_instruction(rng, language, held_out=False):
    task = str(rng.choice(list(GOALS)))
    target = str(rng.choice(list(COLORS)))
    goal = str(rng.choice(list(COLORS))) if GOALS[task] else None
    return task, target, goal, instruction(task, target, goal, language, rng, held_out=held_out)


def as_patterns(language, templates):
    """Templates as regular expressions whose slots take any text."""
    return [re.compile(re.sub(r"\\{\w+\\}", "(.+)", re.escape(template))) for template in templates]


def scene_of(*objects, holding=None, hand=(0.5, 0.0, 0.25)):
    """A scene from (shape, color, x, y) or (shape, color, x, y, z)."""
    return {
        "task": "reach",
        "instruction": "",
        "target": "red block",
        "goal": None,
        "is_success": False,
        "objects": [
            {
                "name": f"{color} {shape}",
                "shape": shape,
                "color": color,
                "position": [x, y, *(z or (0.02,))],
                "visible": True,
            }
            for shape, color, x, y, *z in objects
        ],
        "gripper": {"position": list(hand), "opening": 1.0, "holding": holding},
    }


def test_words_cover_the_world_in_every_language():
    for language in LANGUAGES:
        words = vocabulary(language)
        assert list(words.adjectives) == list(COLORS)
        assert set(words.nouns) == {*SHAPES, "any"}
        assert set(words.questions) == set(vocabulary("en").questions)
        assert set(words.captions) == set(vocabulary("en").captions)
        assert set(words.instructions) == set(words.held_out) == set(GOALS)


@pytest.mark.parametrize(("language", "least"), [("en", 8), ("ja", 5)])
def test_every_task_has_enough_different_phrasings(language, least):
    words = vocabulary(language)
    for task in GOALS:
        assert len(set(words.instructions[task])) >= least
        assert len(words.held_out[task]) >= 2
    for group in (words.instructions, words.questions):
        for templates in group.values():
            assert len(set(templates)) == len(templates) >= 3


@pytest.mark.parametrize("language", LANGUAGES)
def test_instruction_names_its_colours_and_they_are_read_back(language):
    rng = np.random.default_rng(0)
    for held_out in (False, True):
        for _ in range(1500):
            task, target, goal, text = draw_instruction(rng, language, held_out)
            assert named_objects(text) == (target, goal), (task, text)
            assert Counter(colors_named(text)) == Counter([target, goal] if goal else [target])
            assert unknown_colors_named(text) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_is_lower_case_normalised_and_without_full_stop(language):
    rng = np.random.default_rng(1)
    for line in corpus(rng, 4000):
        assert line == line.lower() == unicodedata.normalize("NFKC", line) == " ".join(line.split())
        assert line[-1] not in ".!。", line


def test_one_generator_state_gives_one_text():
    for language in LANGUAGES:
        lines = [[draw_instruction(np.random.default_rng(s), language)[-1] for s in range(50)] for _ in "ab"]
        assert lines[0] == lines[1]
        assert len(set(lines[0])) > 40
    assert list(corpus(np.random.default_rng(5), 300)) == list(corpus(np.random.default_rng(5), 300))
    assert len(list(corpus(np.random.default_rng(5), 7))) == 7


def test_held_out_phrasings_appear_in_no_other_text():
    held_out = {
        language: as_patterns(
            language, (t for group in vocabulary(language).held_out.values() for t in group)
        )
        for language in LANGUAGES
    }
    for line in corpus(np.random.default_rng(2), 8_000):
        for patterns in held_out.values():
            assert not any(pattern.search(line) for pattern in patterns), line
    rng = np.random.default_rng(3)
    for language in LANGUAGES:
        text = draw_instruction(rng, language, held_out=True)[-1]
        assert any(pattern.fullmatch(text) for pattern in held_out[language])


@pytest.mark.parametrize("language", LANGUAGES)
def test_instruction_template_is_independent_of_the_colours(language):
    rng = np.random.default_rng(4)
    templates = vocabulary(language).instructions["push"]
    patterns = as_patterns(language, templates)
    table = np.zeros((len(templates), len(COLORS)))
    colors = list(COLORS)
    draws = 12_000
    for _ in range(draws):
        target, goal = (colors[i] for i in rng.integers(len(colors), size=2))
        text = instruction("push", target, goal, language, rng)
        # Of the templates that fit, the one with the most words of its own is the one that was drawn.
        fitting = [i for i, pattern in enumerate(patterns) if pattern.fullmatch(text)]
        table[max(fitting, key=lambda i: len(templates[i])), colors.index(target)] += 1
    expected = draws / table.size
    degrees = (table.shape[0] - 1) * (table.shape[1] - 1)
    assert ((table - expected) ** 2 / expected).sum() < degrees + 5 * np.sqrt(2 * degrees)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pick", "red", None, "en"), "pick_up"),
        (("reach", "rad", None, "en"), "'red'"),
        (("reach", "red", None, "de"), "language 'de'"),
        (("push", "red", None, "en"), "needs the colour of a zone"),
        (("reach", "red", "blue", "ja"), "takes no goal"),
        (("push", "red", "bleu", "ja"), "'blue'"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(SimError, match=message):
        instruction(*arguments, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pick up the red block", ["red"]),
        ("Put the RED block in the blue bowl.", ["red", "blue"]),
        ("put the red block in the red bowl", ["red", "red"]),
        ("the bored man covered it", []),
        ("pick up the violet cube", ["purple"]),
        ("赤いブロックを青いボウルに入れて", ["red", "blue"]),
        ("赤を取って", ["red"]),
        ("赤色のブロックと黄色のブロック", ["red", "yellow"]),
        ("緑のブロック、緑色のゾーン", ["green", "green"]),
        ("オレンジのキューブを紫のお椀へ", ["orange", "purple"]),
        ("みどりのブロックをむらさきのボウルに", ["green", "purple"]),
        ("redのブロックをブルーのボウルに", ["red", "blue"]),
        ("ｒｅｄ block", ["red"]),
        ("黄緑のブロック", []),
        ("ブロックを持ち上げて", []),
        ("", []),
    ],
)
def test_colours_are_found_in_order(text, expected):
    assert colors_named(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("put the red block in the blue bowl", ("red", "blue")),
        ("in the blue bowl, put the red cube", ("red", "blue")),
        ("青いボウルに赤いブロックを入れて", ("red", "blue")),
        ("緑のゾーンまで黄色いキューブを押して", ("yellow", "green")),
        ("put the red one in the blue one", ("red", "blue")),
        ("push the red one to the green zone", ("red", "green")),
        ("pick up the block that is red", ("red", None)),
        ("put the block that is red in the bowl that is blue", ("red", "blue")),
        ("put the red wooden block in the bowl", ("red", None)),
        ("赤いのを青いボウルに入れて", ("red", "blue")),
        ("赤いのをボウルに入れて", ("red", None)),
        ("赤い小さなブロックを取って", ("red", None)),
        ("pick up the block", (None, None)),
    ],
)
def test_colours_go_to_target_and_goal_by_their_noun(text, expected):
    assert named_objects(text) == expected


def test_colours_this_world_lacks_are_reported():
    assert unknown_colors_named("pick up the Pink block") == ["pink"]
    assert unknown_colors_named("水色のブロックと赤いブロック") == ["水色"]
    assert unknown_colors_named("黄緑のブロック") == ["黄緑"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_caption_names_every_visible_object_and_nothing_else(language):
    rng = np.random.default_rng(6)
    scene = scene_of(("block", "red", 0.4, -0.2), ("bowl", "blue", 0.6, 0.2), ("zone", "green", 0.5, 0.0))
    hidden = {"name": "purple block", "shape": "block", "color": "purple", "position": [0.5, 0.1, 0.02]}
    scene["objects"].append({**hidden, "visible": False})
    drawn = [caption(scene, rng, language) for _ in range(300)]
    assert all(set(colors_named(text)) == {"red", "blue", "green"} for text in drawn)
    assert len(set(drawn)) > 250
    orders = Counter(tuple(dict.fromkeys(colors_named(text))) for text in drawn)
    assert len(orders) == 6


@pytest.mark.parametrize(
    ("language", "left", "right"),
    [
        ("en", "on the left|at the left", "on the right|at the right"),
        ("ja", "左(側)?の|左側にある", "右(側)?の|右側にある"),
    ],
)
def test_caption_places_objects_as_the_image_shows_them(language, left, right):
    y_of_left = 0.2 if image_left_key((0.5, 0.2)) > 0 else -0.2
    on_left, on_right = (
        scene_of(("block", "red", 0.5, y_of_left)),
        scene_of(("block", "red", 0.5, -y_of_left)),
    )
    rng = np.random.default_rng(7)
    for scene, word, other in ((on_left, left, right), (on_right, right, left)):
        drawn = [caption(scene, rng, language) for _ in range(100)]
        assert sum(bool(re.search(word, text)) for text in drawn) > 40
        assert not any(re.search(other, text) for text in drawn)


def test_caption_tells_what_is_held_and_what_lies_in_a_bowl():
    rng = np.random.default_rng(8)
    held = scene_of(("block", "red", 0.5, 0.0, 0.25), ("bowl", "blue", 0.4, 0.2), holding="red block")
    inside = scene_of(("block", "red", 0.4, 0.2, 0.03), ("bowl", "blue", 0.4, 0.2, 0.0))
    english = [caption(held, rng, "en") for _ in range(100)]
    assert any("in the gripper" in text for text in english)
    assert not any("on a table" in text or "on the table" in text for text in english)
    assert any("入っている赤い" in caption(inside, rng, "ja") for _ in range(100))
    assert all(caption(scene_of(), rng, language) for language in LANGUAGES)


def test_japanese_is_written_without_spaces_latin_letters_or_broken_particles():
    rng = np.random.default_rng(9)
    wrong = re.compile(r"のの|緑い|紫い|赤の|青の|いの[ブキボお]|をを|にに|はは|、と|と、|[a-z]")
    for line in corpus(rng, 8_000):
        if re.search(r"[ぁ-ん]", line):
            bare = line.replace(" {point}", "").replace("{point}", "")
            assert " " not in bare and not wrong.search(bare), line
