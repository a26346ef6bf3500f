"""Instructions, captions and the words of both languages; objects read back from text."""

import re
import unicodedata
from collections import Counter

import numpy as np
import pytest

from sim.errors import SimError
from sim.language import (
    LANGUAGES,
    Description,
    Request,
    caption,
    colors_named,
    corpus,
    description,
    fits,
    image_left_key,
    instruction,
    parse_instruction,
    reasoning_references,
    unknown_colors_named,
)
from sim.language.vocabulary import vocabulary
from sim.objects import COLORS, SHAPES, UNSEEN_HARD
from sim.symbols import SYMBOLS
from sim.tasks import TASK_CLASSES
from sim.view import View

PARTS = ("target", "goal", "third")
PHRASINGS = ("train", "held_out")
EXAMPLES = 25  # sets of objects that each template is read back with


def draw(rng, choices):
    return choices[int(rng.integers(len(choices)))]


def thing(shape, color, x=0.5, y=0.0, z=0.02, *, size="medium", symbol=None, visible=True):
    name = f"{symbol} card" if symbol else f"{color} {shape}"
    return {
        "name": name if size == "medium" else f"{size} {name}",
        "shape": shape,
        "color": color,
        "size": size,
        "symbol": symbol,
        "position": [x, y, z],
        "orientation": [0.0, 0.0, 0.0, 1.0],
        "joint": 0.0 if SHAPES[shape].part == "fixture" else None,
        "visible": visible,
    }


def scene_of(*objects, task="reach", split="seen", holding=None, hand=(0.5, 0.0, 0.25)):
    """A scene whose first objects play the parts of the task."""
    roles = len(TASK_CLASSES[task].roles)
    names = [item["name"] for item in objects[:roles]] + [None] * 3
    return {
        "task": task,
        "split": split,
        "instruction": "",
        "feasible": True,
        "is_success": False,
        **dict(zip(PARTS, names, strict=False)),
        "marks": {},
        "objects": list(objects),
        "gripper": {"position": list(hand), "opening": 1.0, "holding": holding, "joints": [], "tilt": []},
        "view": View().as_dict(),
    }


def draw_scene(rng, task):
    """Objects that could play the parts of a task, with two more beside them."""
    objects = []
    for shapes in (*TASK_CLASSES[task].roles[:3], tuple(SHAPES), tuple(SHAPES)):
        shape, color = draw(rng, shapes), draw(rng, list(COLORS))
        size = draw(rng, SHAPES[shape].sizes)
        symbol = draw(rng, SYMBOLS) if shape == "card" else None
        x, y = rng.uniform(0.35, 0.65), rng.uniform(-0.25, 0.25)
        item = thing(shape, "white" if symbol else color, x, y, size=size, symbol=symbol)
        rivals = [each for each in objects if (each["shape"], each["color"]) == (shape, color)]
        # What has no word of its own is told by its colour alone.
        rivals += [
            each for each in objects if each["color"] == color and {shape, each["shape"]} & {*UNSEEN_HARD}
        ]
        if not rivals and item["name"] not in [each["name"] for each in objects]:
            objects.append(item)
        elif len(objects) < len(TASK_CLASSES[task].roles[:3]):
            return draw_scene(rng, task)
    return scene_of(*objects, task=task)


def as_pattern(template):
    """A template as a regular expression whose slots take any text."""
    return re.compile(re.sub(r"\\{\w+\\}", "(.+)", re.escape(template)))


def test_words_cover_the_world_in_every_language():
    english = vocabulary("en")
    for language in LANGUAGES:
        words = vocabulary(language)
        assert list(words.adjectives) == list(words.color_answers) == list(COLORS)
        assert set(words.nouns) == {*SHAPES, "any"} - {*UNSEEN_HARD}
        assert set(words.symbols) == set(SYMBOLS)
        for part in ("questions", "captions", "description", "references", "steps", "replies"):
            assert set(getattr(words, part)) == set(getattr(english, part)), part
        assert set(words.instructions) == set(words.held_out) == set(TASK_CLASSES)


def test_counters_are_those_of_each_thing():
    japanese, english = vocabulary("ja"), vocabulary("en")
    counted = {"block": "3個", "bottle": "3本", "card": "3枚", "plate": "3枚", "any": "3個"}
    assert {shape: japanese.number(3, shape) for shape in counted} == counted
    assert english.number(3, "bottle") == "three"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_task_has_enough_different_phrasings(language):
    words = vocabulary(language)
    for task in TASK_CLASSES:
        train, held_out = words.instructions[task], words.held_out[task]
        assert len(set(train)) == len(train) >= 8
        assert len(set(held_out)) == len(held_out) >= 2
        assert not set(train) & set(held_out)


@pytest.mark.parametrize("phrasing", PHRASINGS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_instructions_are_read_back_whatever_their_template(language, phrasing):
    rng = np.random.default_rng(0)
    words = vocabulary(language)
    for task, templates in (words.instructions if phrasing == "train" else words.held_out).items():
        used = set()
        for _ in range(EXAMPLES * len(templates)):
            scene = draw_scene(rng, task)
            text = instruction(scene, language, rng, phrasing=phrasing)
            used |= {template for template in templates if as_pattern(template).fullmatch(text)}
            assert unknown_colors_named(text) == []
            if task != "sort_by_color":
                check_request(scene, text)
        assert used == set(templates)


def check_request(scene, text):
    """The request names each object in its part, and no other object of the scene."""
    request = parse_instruction(text)
    for part in PARTS:
        meant = getattr(request, part)
        assert (meant is None) == (scene[part] is None), (text, request)
        if meant is not None:
            found = [item["name"] for item in scene["objects"] if fits(meant, item)]
            assert found == [scene[part]], (text, request)


@pytest.mark.parametrize("language", LANGUAGES)
def test_small_and_large_twins_are_told_apart(language):
    rng = np.random.default_rng(1)
    twins = [thing("ball", "red", size=size) for size in ("small", "large")]
    for target in (twins, twins[::-1]):
        scene = scene_of(*target, task="pick_up")
        for _ in range(50):
            check_request(scene, instruction(scene, language, rng))


@pytest.mark.parametrize("language", LANGUAGES)
def test_unseen_hard_shapes_are_called_objects(language):
    rng = np.random.default_rng(2)
    word = "object|thing" if language == "en" else "物"
    for shape in UNSEEN_HARD:
        scene = scene_of(thing(shape, "red"), thing("block", "blue"), task="pick_up")
        for _ in range(30):
            text = instruction(scene, language, rng)
            assert re.search(word, text)
            check_request(scene, text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_basic_scenes_are_told_as_the_first_agents_learned(language):
    rng = np.random.default_rng(3)
    scene = scene_of(thing("block", "red"), thing("bowl", "blue"), task="place_in_bowl", split="basic")
    words = vocabulary(language)
    phrases = [
        {
            words.join(adjective, noun.one)
            for adjective in words.adjectives[color]
            for noun in words.nouns[shape]
        }
        for color, shape in (("red", "block"), ("blue", "bowl"))
    ]
    for _ in range(200):
        text = instruction(scene, language, rng)
        assert all(any(phrase in text for phrase in each) for each in phrases), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_instruction_template_is_independent_of_the_colours(language):
    rng = np.random.default_rng(4)
    templates = vocabulary(language).instructions["push"]
    patterns = [as_pattern(template) for template in templates]
    colors = list(COLORS)[:4]
    scenes = [scene_of(thing("block", color), thing("zone", "cyan"), task="push") for color in colors]
    table = np.zeros((len(templates), len(colors)))
    draws = 4000
    for _ in range(draws):
        column = int(rng.integers(len(colors)))
        text = instruction(scenes[column], language, rng)
        # Of the templates that fit, the one with the most words of its own is the one that was drawn.
        fitting = [i for i, pattern in enumerate(patterns) if pattern.fullmatch(text)]
        table[max(fitting, key=lambda i: len(templates[i])), column] += 1
    expected = draws / table.size
    degrees = (table.shape[0] - 1) * (table.shape[1] - 1)
    assert ((table - expected) ** 2 / expected).sum() < degrees + 5 * np.sqrt(2 * degrees)


REFERENCES = [
    ("leftmost", "leftmost|far left|furthest to the left", "左"),
    ("near_camera", "closest|nearest|furthest", "カメラ|手前"),
    ("same_color", "plate|saucer", "皿"),
    ("not_color", "not|n't", "ない"),
    ("largest", "largest|biggest", "大き"),
]


def reasoning_scene():
    left = 0.2 if image_left_key((0.5, 0.2)) > 0 else -0.2
    return scene_of(
        thing("block", "red", 0.62, left, size="large"),
        thing("block", "blue", 0.4, -left),
        thing("plate", "red", 0.5, 0.0),
        task="pick_up",
    )


def test_what_can_be_told_by_reasoning_is_listed():
    scene = reasoning_scene()
    assert {each.kind for each in reasoning_references(scene)} == {kind for kind, *_ in REFERENCES}
    assert {(each.role, each.name) for each in reasoning_references(scene)} == {("target", "large red block")}
    level = scene_of(thing("block", "red", 0.5, 0.01), thing("block", "blue", 0.5, -0.01), task="pick_up")
    assert {each.kind for each in reasoning_references(level)} == {"not_color"}
    alone = scene_of(thing("block", "red"), task="pick_up")
    assert reasoning_references(alone) == []
    with pytest.raises(SimError, match="another scene"):
        instruction(alone, "en", np.random.default_rng(0), reference="reasoning")


@pytest.mark.parametrize("language", LANGUAGES)
def test_reasoning_replaces_the_name(language):
    rng = np.random.default_rng(5)
    drawn = [instruction(reasoning_scene(), language, rng, reference="reasoning") for _ in range(200)]
    for _, english, japanese in REFERENCES:
        assert any(re.search(english if language == "en" else japanese, text) for text in drawn)
    assert not any(re.search(r"\b(?:large|big) red|大き[いな]赤", text) for text in drawn)


def test_cards_are_told_by_what_their_digits_make():
    objects = [
        thing("block", "red", 0.4),
        thing("card", "white", symbol="3"),
        thing("card", "white", symbol="8"),
    ]
    scene = scene_of(*objects, task="place_on_card")
    found = {(each.kind, each.numbers) for each in reasoning_references(scene) if each.role == "goal"}
    assert found == {
        ("sum", ("1", "2")),
        ("sum", ("2", "1")),
        ("one_more", ("2",)),
        ("smallest_number", ()),
    }
    rng = np.random.default_rng(6)
    drawn = [instruction(scene, "en", rng, reference="reasoning") for _ in range(100)]
    assert any("one and two" in text or "one plus two" in text for text in drawn)
    assert not any(re.search(r"\b(?:3|three)\b", text) for text in drawn)


@pytest.mark.parametrize(
    ("change", "keywords", "language", "message"),
    [
        ({"task": "pick"}, {}, "en", "pick_up"),
        ({}, {}, "de", "language 'de'"),
        ({}, {"phrasing": "heldout"}, "en", "'held_out'"),
        ({}, {"reference": "reason"}, "ja", "'reasoning'"),
    ],
)
def test_wrong_arguments_are_named(change, keywords, language, message):
    scene = {**scene_of(thing("block", "red")), **change}
    with pytest.raises(SimError, match=message):
        instruction(scene, language, np.random.default_rng(0), **keywords)


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
        ("茶色のボトルと水色の皿", ["brown", "cyan"]),
        ("ｒｅｄ block", ["red"]),
        ("黄緑のブロック", []),
        ("ブロックを持ち上げて", []),
        ("", []),
    ],
)
def test_colours_are_found_in_order(text, expected):
    assert colors_named(text) == expected


RED_BLOCK, BLUE_BOWL = Description("block", "red"), Description("bowl", "blue")
STAR = Description("card", symbol="star")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("put the red block in the blue bowl", (RED_BLOCK, BLUE_BOWL)),
        ("in the blue bowl, put the red cube", (RED_BLOCK, BLUE_BOWL)),
        ("青いボウルに赤いブロックを入れて", (RED_BLOCK, BLUE_BOWL)),
        (
            "緑のゾーンまで黄色いキューブを押して",
            (Description("block", "yellow"), Description("zone", "green")),
        ),
        ("put the red one in the blue one", (Description(color="red"), Description(color="blue"))),
        ("pick up the block that is red", (RED_BLOCK,)),
        ("put the block that is red in the bowl that is blue", (RED_BLOCK, BLUE_BOWL)),
        ("put the red wooden block in the bowl", (RED_BLOCK, Description("bowl"))),
        ("赤いのを青いボウルに入れて", (Description(color="red"), BLUE_BOWL)),
        ("赤い小さなブロックを取って", (Description("block", "red", "small"),)),
        ("pick up the little red ball", (Description("ball", "red", "small"),)),
        ("pick up the block", (Description("block"),)),
        ("put the red block on the star", (RED_BLOCK, STAR)),
        ("put the red block on the card with a star", (RED_BLOCK, STAR)),
        ("星の絵のカードに赤いブロックを置いて", (RED_BLOCK, STAR)),
        ("put the red block on the letter a", (RED_BLOCK, Description("card", symbol="A"))),
        ("put the red block on a card", (RED_BLOCK, Description("card"))),
        ("put the red block on number seven", (RED_BLOCK, Description("card", symbol="7"))),
        ("cover the star with the red block", (RED_BLOCK, STAR)),
        ("赤いブロックと青いブロックを入れ替えて", (RED_BLOCK, Description("block", "blue"))),
        (
            "stack the red block on the green block on the blue block",
            (RED_BLOCK, Description("block", "green"), Description("block", "blue")),
        ),
        ("open the drawer", (Description("drawer"),)),
        ("pick up the red thing", (Description(color="red"),)),
        ("赤い物を取って", (Description(color="red"),)),
        ("sing a song", ()),
    ],
)
def test_objects_go_to_their_parts(text, expected):
    assert parse_instruction(text) == Request(*expected)


def test_a_description_fits_what_it_does_not_contradict():
    ball = thing("ball", "red", size="small")
    assert fits(Description(), ball) and fits(Description("ball", "red", "small"), ball)
    for wrong in (Description("block"), Description(color="blue"), Description(size="large"), STAR):
        assert not fits(wrong, ball)


def test_colours_this_world_lacks_are_reported():
    assert unknown_colors_named("pick up the Gray block") == ["gray"]
    assert unknown_colors_named("灰色のブロックと赤いブロック") == ["灰色"]
    assert unknown_colors_named("黄緑のブロック") == ["黄緑"]
    assert unknown_colors_named("put the red block on the white card") == []
    assert unknown_colors_named("pick up the white block") == ["white"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_caption_names_every_visible_object_and_nothing_else(language):
    rng = np.random.default_rng(7)
    scene = scene_of(
        thing("block", "red", 0.4, -0.2),
        thing("bottle", "blue", 0.6, 0.2),
        thing("zone", "green", 0.5, 0.0),
        thing("block", "purple", 0.5, 0.1, visible=False),
    )
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
    on_left, on_right = (scene_of(thing("block", "red", 0.5, y)) for y in (y_of_left, -y_of_left))
    rng = np.random.default_rng(8)
    for scene, word, other in ((on_left, left, right), (on_right, right, left)):
        drawn = [caption(scene, rng, language) for _ in range(100)]
        assert sum(bool(re.search(word, text)) for text in drawn) > 40
        assert not any(re.search(other, text) for text in drawn)


def test_caption_tells_what_is_held_and_what_lies_in_a_bowl():
    rng = np.random.default_rng(9)
    bowl = thing("bowl", "blue", 0.4, 0.2, 0.0)
    held = scene_of(thing("block", "red", 0.5, 0.0, 0.25), bowl, holding="red block")
    inside = scene_of(thing("block", "red", 0.4, 0.2, 0.026), bowl)
    english = [caption(held, rng, "en") for _ in range(100)]
    assert any("in the gripper" in text for text in english)
    assert not any("on a table" in text or "on the table" in text for text in english)
    assert any("入っている赤い" in caption(inside, rng, "ja") for _ in range(100))
    assert all(caption(scene_of(thing("block", "red", visible=False)), rng, each) for each in LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_description_counts_and_tells_states(language):
    rng = np.random.default_rng(10)
    scene = scene_of(
        thing("block", "red", 0.4, 0.2, 0.026),
        thing("bowl", "blue", 0.4, 0.2, 0.0),
        thing("drawer", "green", 0.5, 0.3, 0.0),
        thing("ball", "black", 0.5, 0.0, 0.25),
        holding="black ball",
    )
    drawn = [description(scene, rng, language) for _ in range(100)]
    assert all(set(colors_named(text)) == {"red", "blue", "green", "black"} for text in drawn)
    assert any(re.search("three objects|3つ", text) for text in drawn)
    assert any(re.search("is closed|閉まって", text) for text in drawn)
    empty = scene_of(thing("block", "red", visible=False))
    assert colors_named(description(empty, rng, language)) == []


def lines_of(count, seed):
    return list(corpus(np.random.default_rng(seed), count))


@pytest.fixture(scope="module")
def lines():
    return lines_of(30_000, 11)


def test_one_generator_state_gives_one_corpus():
    assert lines_of(300, 5) == lines_of(300, 5) != lines_of(300, 6)
    assert len(lines_of(7, 5)) == 7


def test_text_is_lower_case_normalised_and_without_full_stop(lines):
    for line in lines:
        assert line == line.lower() == unicodedata.normalize("NFKC", line) == " ".join(line.split())
        assert line[-1] not in ".!。", line


def test_held_out_phrasings_appear_in_no_training_text(lines):
    groups = [
        group
        for language in LANGUAGES
        for words in [vocabulary(language)]
        for group in (*words.held_out.values(), *words.held_out_questions.values())
    ]
    held_out = [template for group in groups for template in group]
    pieces = [max(re.split(r"\{\w+\}", template), key=len) for template in held_out]
    patterns = [as_pattern(template) for template in held_out]
    quoted = re.compile("「(.+)」|: (.+)")
    for line in lines:
        inner = quoted.search(line)
        for text in {line, *(part.rstrip("?") for part in (inner.groups() if inner else ()) if part)}:
            for piece, pattern in zip(pieces, patterns, strict=True):
                assert piece not in text or not pattern.fullmatch(text), (text, pattern)


def test_training_phrasings_of_every_task_are_in_the_corpus(lines):
    for language in LANGUAGES:
        words = vocabulary(language)
        for task, templates in words.instructions.items():
            patterns = [as_pattern(template) for template in templates]
            found = [any(pattern.search(line) for line in lines) for pattern in patterns]
            assert np.mean(found) > 0.6, task  # few scenes have three blocks to stack


def test_japanese_is_written_without_spaces_or_broken_particles(lines):
    # "ものの", "だと、" and "比べると、" are right.
    wrong = re.compile(
        r"(?<!も)のの|緑い|紫い|赤の|青の|いの[ブキボお皿]|をを|にに|はは|、と|(?<![だる])と、|[a-z]{2}"
    )
    for line in lines:
        if re.search(r"[ぁ-ん]", line):
            bare = line.replace(" {point}", "").replace("{point}", "")
            assert " " not in bare and not wrong.search(bare), line
