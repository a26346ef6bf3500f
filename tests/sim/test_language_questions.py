"""Every question is read back and answered again by other code; wording says nothing about the answer."""

import json
import math
import re
import timeit
from collections import Counter, defaultdict

import gymnasium
import numpy as np
import pytest

from sim import TASKS
from sim.camera import front_camera
from sim.errors import SimError
from sim.language import FAMILIES, LANGUAGES, POINT, image_left_key, named_objects, questions
from sim.language.vocabulary import vocabulary
from sim.objects import COLORS
from sim.scene import TABLE_RANGE
from sim.still import draw_still
from sim.tasks import TASK_CLASSES

CAMERA = front_camera()
CAMERA_PLACE = -CAMERA.camera_from_world[:3, :3].T @ CAMERA.camera_from_world[:3, 3]


def draw_scene(rng, hide=0.1):
    """The truth about a still picture, without physics or rendering; some objects are out of sight."""
    still = draw_still(rng)
    objects, holding = [], None
    for spec in still.layout.objects:
        seen = bool(rng.random() >= hide)
        place = list(map(float, spec.position))
        objects.append(
            {"name": spec.name, "shape": spec.shape, "color": spec.color, "position": place, "visible": seen}
        )
        if spec.shape == "block" and math.dist(place, still.hand) < 0.001 and still.opening not in (0.0, 1.0):
            holding = spec.name
    scene = {
        "task": still.task,
        "instruction": "",
        "target": still.layout.target,
        "goal": still.layout.goal,
        "is_success": False,
        "objects": objects,
        "gripper": {"position": list(still.hand), "opening": still.opening, "holding": holding},
    }
    scene["is_success"] = TASK_CLASSES[still.task]().is_success(scene)
    return scene


class Reader:
    """Reads a question back: its kind, its template and what fills the slots."""

    def __init__(self, language):
        words = vocabulary(language)
        self.shapes, self.phrases, self.adjectives = {}, {}, {}
        for shape, nouns in words.nouns.items():
            for noun in nouns:
                self.shapes[noun.one] = self.shapes[noun.many] = shape
        for color, adjectives in words.adjectives.items():
            for adjective in adjectives:
                self.adjectives[adjective] = color
                for noun, shape in self.shapes.items():
                    if shape != "any":
                        self.phrases[words.join(adjective, noun)] = (shape, color)
        article = "an? " if words.articles else ""
        slots = {
            **dict.fromkeys(("it", "other", "goal"), self._any(self.phrases)),
            **dict.fromkeys(("noun", "nouns", "container"), self._any(self.shapes)),
            "a_it": article + self._any(self.phrases),
            "color": self._any(self.adjectives),
            "a_color": article + self._any(self.adjectives),
            "colour": "(colour|color|色)",
            "instruction": "(.+)",
        }
        self.templates = []
        for kind, templates in words.questions.items():
            for number, template in enumerate(templates):
                names = [name for name in re.findall(r"\{(\w+)\}", template) if name != "point"]
                pattern = re.escape(template)
                for name in names:
                    pattern = pattern.replace(rf"\{{{name}\}}", slots[name])
                self.templates.append((kind, number, names, re.compile(pattern)))

    @staticmethod
    def _any(words):
        return "(" + "|".join(map(re.escape, sorted(words, key=len, reverse=True))) + ")"

    def read(self, text):
        """Kind, number of the template, and slot -> (shape, color), shape, colour or text."""
        for kind, number, names, pattern in self.templates:
            if match := pattern.fullmatch(text):
                meaning = {**self.phrases, **self.shapes, **self.adjectives}
                return (
                    kind,
                    number,
                    {n: meaning.get(v, v) for n, v in zip(names, match.groups(), strict=True)},
                )
        raise AssertionError(f"no template wrote {text!r}")


READERS = {language: Reader(language) for language in LANGUAGES}


def column(thing):
    return float(CAMERA.pixel_from_world(np.array(thing["position"]))[0])


def range_to(place):
    return lambda thing: math.dist(thing["position"][:2], place[:2])


NEAREST = {
    "left": column,
    "right": lambda thing: -column(thing),
    "near_robot": range_to((0.0, 0.0)),
    "near_camera": range_to(CAMERA_PLACE),
}


def true_answer(scene, kind, slots, point):
    """Answer from the raw scene: (shape, color), colour, bool, number, places, or None for nothing."""
    seen = [thing for thing in scene["objects"] if thing["visible"]]

    def of(shape):
        return [thing for thing in seen if shape in ("any", thing["shape"])]

    def the(phrase):
        (thing,) = [thing for thing in seen if (thing["shape"], thing["color"]) == phrase]
        return thing

    def inside(bowl):
        blocks = [thing for thing in scene["objects"] if thing["shape"] == "block"]
        task = TASK_CLASSES["place_in_bowl"]()
        goal = {"goal": bowl["name"]}
        return [block for block in blocks if task.is_success({**scene, **goal, "target": block["name"]})]

    def held():
        return [thing for thing in seen if thing["name"] == scene["gripper"]["holding"]]

    def single(found):
        (thing,) = found
        return thing

    match kind:
        case "color_only":
            return single(of(slots["noun"]))["color"]
        case "color_held":
            return single(held())["color"]
        case "color_in_bowl":
            return single(inside(the(slots["goal"])))["color"]
        case "color_in_any_bowl":
            return single([block for bowl in of("bowl") for block in inside(bowl)])["color"]
        case "color_left" | "color_right" | "color_near_robot" | "color_near_camera":
            assert len(of(slots["noun"])) > 1
            return min(of(slots["noun"]), key=NEAREST[kind.removeprefix("color_")])["color"]
        case "existence":
            return slots["a_it" if "a_it" in slots else "it"] in [(t["shape"], t["color"]) for t in seen]
        case "existence_color":
            return slots["a_color" if "a_color" in slots else "color"] in [t["color"] for t in seen]
        case "count":
            return len(of(slots["nouns"]))
        case "count_color":
            return sum(thing["color"] == slots["color"] for thing in seen)
        case "left" | "right" | "near_robot" | "near_camera":
            return NEAREST[kind](the(slots["it"])) < NEAREST[kind](the(slots["other"]))
        case "which_left" | "which_right" | "which_near_robot" | "which_near_camera":
            first, second = the(slots["it"]), the(slots["other"])
            assert first is not second
            chosen = min(first, second, key=NEAREST[kind.removeprefix("which_")])
            return chosen["shape"], chosen["color"]
        case "location":
            return tuple(the(slots["it"])["position"][:2])
        case "inventory":
            on_table = [thing for thing in seen if thing not in held() and thing["position"][2] < 0.06]
            return {(thing["shape"], thing["color"]): tuple(thing["position"][:2]) for thing in on_table}
        case "color_at":
            near = [t for t in scene["objects"] if math.dist(t["position"][:2], point) < 0.05]
            return (single(near)["shape"], near[0]["color"]) if near else None
        case "done":
            task = read_task(slots["instruction"])
            target, goal = named_objects(slots["instruction"])
            shape = TASK_CLASSES[task].goal_shape
            the(("block", target))
            named = {"target": f"{target} block", "goal": f"{goal} {shape}" if shape else None}
            return TASK_CLASSES[task]().is_success({**scene, **named})
        case "holding":
            return next(((t["shape"], t["color"]) for t in held()), None)
        case "contents":
            return next(((t["shape"], t["color"]) for t in inside(the(slots["goal"]))), None)


def read_task(text):
    """Which task an instruction is of: the templates share no whole sentence."""
    found = set()
    for language in LANGUAGES:
        for task, templates in vocabulary(language).instructions.items():
            for template in templates:
                if re.fullmatch(re.sub(r"\\{\w+\\}", "(.+)", re.escape(template)), text):
                    found.add((len(template), task))
    return max(found)[1]


def say(language, kind, truth):
    """The words of a true answer."""
    words = vocabulary(language)
    if isinstance(truth, bool):
        return words.replies["yes" if truth else "no"]
    if isinstance(truth, int):
        return words.numbers[truth]
    if truth is None:
        return words.replies["nothing"]
    return (
        words.color_answers[truth]
        if kind.startswith("color_") and kind != "color_at"
        else words.answer(*truth)
    )


def read_inventory(question):
    """((shape, color), place) of each object in an answer, in order; the words are those of other answers."""
    words, phrases = vocabulary(question.language), READERS[question.language].phrases
    names = [part.removesuffix(f" {POINT}") for part in re.split(", |、", question.answer)]
    objects = [phrases[name] for name in names]
    assert names == [words.answer(*each) for each in objects]
    return list(zip(objects, question.places, strict=True))


def check(scene, question):
    kind, number, slots = READERS[question.language].read(question.question)
    truth = true_answer(scene, kind, slots, question.point)
    if kind == "location":
        assert question.answer is None and question.point == pytest.approx(truth)
    elif kind == "inventory":
        assert dict(read_inventory(question)) == truth, (question, scene)
        assert len(question.places) == len(truth)
    else:
        assert question.answer == say(question.language, kind, truth), (question, scene)
    assert (question.answer or "").count(POINT) == len(question.places)
    assert (POINT in question.question) == (kind == "color_at")
    assert (question.point is None) == (kind not in ("color_at", "location"))
    return kind, number, slots


@pytest.fixture(scope="module")
def asked():
    """Questions in both languages as (question, kind, template number, slots), checked on the way."""
    rng = np.random.default_rng(0)
    found = []
    families = [*FAMILIES, *["relation"] * 6, "done"]  # the kinds that are many or often have nothing to ask
    for _ in range(4000):
        scene = draw_scene(rng)
        for language in LANGUAGES:
            found += [(q, *check(scene, q)) for q in questions(scene, rng, language, 6, families)]
    return found


def independent(pairs):
    """Chi-square test that two columns of labels are drawn independently (at about five sigma)."""
    table = Counter(pairs)
    total = sum(table.values())
    rows, columns = Counter(), Counter()
    for (row, col), count in table.items():
        rows[row] += count
        columns[col] += count
    chi = 0.0
    for row, row_count in rows.items():
        for col, col_count in columns.items():
            expected = row_count * col_count / total
            chi += (table[row, col] - expected) ** 2 / expected
    degrees = max((len(rows) - 1) * (len(columns) - 1), 1)
    return total > 200 and chi < degrees + 5 * math.sqrt(2 * degrees)


def test_every_answer_is_true_and_every_kind_is_asked(asked):
    for language in LANGUAGES:
        kinds = Counter(kind for q, kind, *_ in asked if q.language == language)
        assert set(kinds) == set(vocabulary(language).questions)
        families = Counter(q.family for q, *_ in asked if q.language == language)
        assert set(families) == set(FAMILIES)
        used = {(kind, number) for q, kind, number, _ in asked if q.language == language}
        assert len(used) == len(READERS[language].templates)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "kind", ["existence", "existence_color", "left", "near_robot", "location", "inventory", "done"]
)
def test_template_is_independent_of_object_and_answer(asked, language, kind):
    pairs = defaultdict(list)
    for question, its_kind, number, slots in asked:
        if question.language == language and its_kind == kind:
            pairs["answer"].append((number, len(question.places) or question.answer))
            about = slots.get("it") or slots.get("a_it") or slots.get("color") or slots.get("a_color")
            pairs["about"].append((number, about))
            if kind == "location":
                x, y = question.point
                pairs["quarter"].append((number, (x > 0.5, y > 0.0)))
    for name, labels in pairs.items():
        assert independent(labels), name


def test_answers_cannot_be_guessed_from_the_question(asked):
    for language in LANGUAGES:
        yes = vocabulary(language).replies["yes"]
        for kind, low, high in (
            ("existence", 0.4, 0.6),
            ("left", 0.45, 0.55),
            ("right", 0.45, 0.55),
            ("done", 0.25, 0.6),
        ):
            answers = [q.answer == yes for q, its, *_ in asked if q.language == language and its == kind]
            assert low < np.mean(answers) < high, kind
    existence = [
        (s.get("a_it", s.get("it"))[1], q.answer in ("yes", "はい"))
        for q, k, _, s in asked
        if k == "existence"
    ]
    assert independent(existence)
    first_named = [
        vocabulary(q.language).answer(*slots["it"]) == q.answer
        for q, kind, _, slots in asked
        if kind.startswith("which_")
    ]
    assert 0.45 < np.mean(first_named) < 0.55


def test_the_order_of_an_inventory_says_nothing(asked):
    inventories = [read_inventory(q) for q, kind, *_ in asked if kind == "inventory" and len(q.places) > 1]
    assert len(inventories) > 1000
    for axis in (0, 1):
        assert 0.47 < np.mean([first[1][axis] < second[1][axis] for first, second, *_ in inventories]) < 0.53
    # Which shape and colour comes first tells nothing about what comes last.
    for part in (0, 1):
        first, last = (Counter(items[end][0][part] for items in inventories) for end in (0, -1))
        for name in first | last:
            assert abs(first[name] - last[name]) < 5 * math.sqrt(first[name] + last[name]), name


def test_colours_are_asked_about_alike(asked):
    answers = Counter(q.answer for q, *_ in asked if q.family == "color" and q.language == "en")
    assert set(answers) == set(COLORS)
    assert max(answers.values()) < 1.35 * min(answers.values())


def test_questions_about_rendered_stills_are_true():
    env = gymnasium.make(TASKS["pick_up"])
    rng = np.random.default_rng(7)
    try:
        for _ in range(30):
            _, scene = env.unwrapped.sample_still(rng)
            for language in LANGUAGES:
                for question in questions(scene, rng, language):
                    check(scene, question)
    finally:
        env.close()


def test_left_is_left_in_the_image_of_the_front_camera():
    left, right = sorted(([0.5, -0.2, 0.0], [0.5, 0.2, 0.0]), key=lambda place: column({"position": place}))
    assert image_left_key(left) > 0.0 > image_left_key(right)


def test_places_lie_on_the_table(asked):
    (x_low, x_high), (y_low, y_high) = TABLE_RANGE
    places = [place for q, *_ in asked for place in (q.point, *q.places) if place]
    assert all(x_low <= x <= x_high and y_low <= y <= y_high for x, y in places)


def test_one_generator_state_gives_one_set_of_questions():
    scene = draw_scene(np.random.default_rng(1))
    for language in LANGUAGES:
        drawn = [questions(scene, np.random.default_rng(s), language, n=6) for s in (3, 3, 4)]
        assert drawn[0] == drawn[1] != drawn[2]
        assert len({(q.question, q.point) for q in drawn[0]}) == len(drawn[0])


def test_scene_may_come_back_from_json():
    scene = draw_scene(np.random.default_rng(2))
    again = json.loads(json.dumps(scene))
    assert questions(scene, np.random.default_rng(0), "ja") == questions(
        again, np.random.default_rng(0), "ja"
    )


def test_families_can_be_chosen_and_weighted():
    rng = np.random.default_rng(3)
    families = Counter()
    for _ in range(400):
        found = questions(draw_scene(rng), rng, "en", n=1, families=["location", "count", "count", "count"])
        families.update(question.family for question in found)
    assert set(families) == {"location", "count"}
    assert 1.8 < families["count"] / families["location"] < 5.0


def test_empty_table_can_still_be_asked_about():
    rng = np.random.default_rng(4)
    scene = {**draw_scene(rng), "objects": []}
    for _ in range(50):
        for question in questions(scene, rng, "en"):
            check(scene, question)
    assert questions(scene, rng, "en", families=["location", "inventory"]) == []


@pytest.mark.parametrize(
    ("language", "families", "message"), [("fr", None, "language 'fr'"), ("en", ["colour"], "'color'")]
)
def test_unknown_names_are_refused(language, families, message):
    rng = np.random.default_rng(5)
    with pytest.raises(SimError, match=message):
        questions(draw_scene(rng), rng, language, families=families)


def test_four_questions_take_a_fraction_of_a_millisecond():
    rng = np.random.default_rng(6)
    scenes = [draw_scene(rng) for _ in range(20)]
    runs = timeit.repeat(lambda: [questions(scene, rng, "ja") for scene in scenes], number=5, repeat=7)
    assert min(runs) / 100 < 400e-6  # s; 0.1 ms on an idle core
