"""Questions about what is there and how it looks: colour, existence, number, shape, size."""

from __future__ import annotations

from sim.language.families.base import RARE, Question, Rng, at_item, draw_shape
from sim.language.items import Item
from sim.language.naming import Naming
from sim.language.truth import SceneView
from sim.language.vocabulary import ANY, Phrasing, pick
from sim.objects import HELD_OUT_PAIRS

TOLD = 0.3  # share of questions about the object held or in a bowl, of those about any object's colour
SYMBOLS = 0.15  # share of questions about existence that are about a card's symbol
SHAPES_ALONE = 0.2  # share of the others that name no colour
UNIQUE = 0.3  # share of questions about shape that name the only object of a colour; the others show a place

Told = tuple[str, Item, Item | None]
"""A kind of question, the object that it is about, and the bowl that it names."""


def ask_color(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask the colour of the one object that a description fits."""
    words = naming.words
    told = _told_by_place(view, naming)
    fitting = told if told and rng.random() < TOLD else _told_by_shape(view, draw_shape(view, words, rng))
    if not fitting:
        return None
    kind, item, bowl = pick(rng, fitting)
    shape = item.shape if item.shape in words.nouns else ANY
    noun = pick(rng, words.nouns[shape])
    text = words.draw_question(rng, kind, phrasing).format(
        noun=noun.one,
        nouns=noun.many,
        colour=pick(rng, words.colour_words),
        container=pick(rng, words.nouns["bowl"]).one,
        goal=naming.phrase(rng, bowl, colored=True) if bowl else "",
    )
    return Question(text, words.color_answers[item.color], None, "color", words.name)


def _told_by_shape(view: SceneView, shape: str) -> list[Told]:
    """The only object of a shape, or those that are furthest to a side; none if one is out of sight."""
    if shape == "card" or view.hides(shape):
        return []
    items = view.of_shape(shape)
    if len(items) == 1:
        return [("color_only", items[0], None)]
    return [(f"color_{kind}", item, None) for kind, item in view.extremes(items)]


def _told_by_place(view: SceneView, naming: Naming) -> list[Told]:
    """The objects that are told by where they are: the only one in a bowl, or the one in the gripper."""
    found: list[Told] = []
    bowls = [item for item in view.all if item.shape == "bowl"]
    contents = [view.contents(bowl) for bowl in bowls]
    for bowl, inside in zip(bowls, contents, strict=True):
        if inside is not None and len(inside) == 1 and bowl.visible and naming.is_namable(bowl):
            found.append(("color_in_bowl", inside[0], bowl))
    if None not in contents and sum(len(inside or ()) for inside in contents) == 1:
        found.append(("color_in_any_bowl", next(inside for inside in contents if inside)[0], None))
    held = view.by_name.get(view.holding or "")
    if held is not None and held.visible:
        found.append(("color_held", held, None))
    return found


def ask_existence(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask whether an object, a colour or a symbol is there: half of the answers are yes, for all alike."""
    words = naming.words
    wanted = rng.random() < 0.5
    reply = words.replies["yes" if wanted else "no"]
    if not view.basic and rng.random() < SYMBOLS:
        return _ask_symbol_exists(view, naming, rng, phrasing, wanted)
    if not view.basic and rng.random() < SHAPES_ALONE:
        return _ask_shape_exists(view, naming, rng, phrasing, wanted)
    shape = pick(rng, ("block", "block", "bowl", "zone", ANY)) if view.basic else draw_shape(view, words, rng)
    if not view.basic and rng.random() < 0.2:
        shape = ANY
    if shape == "card":
        return None
    present = {item.color for item in view.of_shape(shape)}
    unseen = {item.color for item in view.hidden if shape in (item.shape, ANY)}
    colors = [color for color in view.colors if (color in present) == wanted and color not in unseen]
    if shape == ANY:
        colors = [color for color in colors if view.is_telling(color)]
    elif not wanted:
        colors = [color for color in colors if (color, shape) not in HELD_OUT_PAIRS]
    if not colors or (not present and rng.random() > RARE):
        return None
    adjective = pick(rng, words.adjectives[pick(rng, colors)])
    if shape == ANY:
        text = words.draw_question(rng, "existence_color", phrasing).format(
            color=adjective, a_color=words.with_article(adjective)
        )
    else:
        phrase = words.join(adjective, pick(rng, words.nouns[shape]).one)
        text = words.draw_question(rng, "existence", phrasing).format(
            it=phrase, a_it=words.with_article(phrase)
        )
    return Question(text, reply, None, "existence", words.name)


def _ask_shape_exists(
    view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing, wanted: bool
) -> Question | None:
    words = naming.words
    unasked = {item.shape for item in view.hidden} | {ANY, "card"}  # cards are asked for by their symbols
    shapes = [name for name in words.nouns if bool(view.of_shape(name)) == wanted and name not in unasked]
    if not shapes:
        return None
    noun = pick(rng, words.nouns[pick(rng, shapes)]).one
    text = words.draw_question(rng, "existence", phrasing).format(it=noun, a_it=words.with_article(noun))
    return Question(text, words.replies["yes" if wanted else "no"], None, "existence", words.name)


def _ask_symbol_exists(
    view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing, wanted: bool
) -> Question | None:
    words = naming.words
    shown = {item.symbol for item in view.items}
    unseen = {item.symbol for item in view.hidden}
    symbols = [name for name in words.symbols if (name in shown) == wanted and name not in unseen]
    if not symbols or (shown == {None} and rng.random() > RARE):
        return None
    sign = words.card(rng, pick(rng, symbols), words.signs)
    text = words.draw_question(rng, "existence_symbol", phrasing).format(sign=sign)
    return Question(text, words.replies["yes" if wanted else "no"], None, "existence", words.name)


def ask_count(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask how many visible objects of a shape, or of a colour, there are."""
    words = naming.words
    kinds = ("block", "block", "bowl", "zone", ANY, "color")
    shape = pick(rng, kinds) if view.basic else pick(rng, (draw_shape(view, words, rng), ANY, "color"))
    if shape == "color":
        unseen = {item.color for item in view.hidden}
        colors = [color for color in view.colors if color not in unseen and view.is_telling(color)]
        if not colors:
            return None
        color = pick(rng, colors)
        number = sum(item.color == color for item in view.items)
        adjective = pick(rng, words.adjectives[color])
        text = words.draw_question(rng, "count_color", phrasing).format(color=adjective)
        answer = words.number(number)
    else:
        if view.hides(shape):
            return None
        number = len(view.of_shape(shape))
        nouns = pick(rng, words.nouns[shape]).many
        text = words.draw_question(rng, "count", phrasing).format(nouns=nouns, counter=words.counter(shape))
        answer = words.number(number, shape)
    return Question(text, answer, None, "count", words.name)


def ask_shape(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask what kind of thing the only object of a colour is, or the one that is held or at a place."""
    words = naming.words
    kind = "shape_of" if rng.random() < UNIQUE else pick(rng, ("shape_at", "shape_held"))
    colors = [item.color for item in view.all]
    fitting = [item for item in view.items if item.shape in words.nouns and item.symbol is None]
    if kind == "shape_held":
        fitting = [item for item in fitting if item.name == view.holding]
    elif kind == "shape_of":
        fitting = [item for item in fitting if colors.count(item.color) == 1 and view.is_telling(item.color)]
    else:
        fitting = [item for item in fitting if item in view.resting]
    if not fitting:
        return None
    item = pick(rng, fitting)
    place = at_item(view, item, rng) if kind == "shape_at" else None
    if kind == "shape_at" and place is None:
        return None
    text = words.draw_question(rng, kind, phrasing).format(
        color=pick(rng, words.adjectives[item.color]), any=pick(rng, words.nouns[ANY]).one, point="{point}"
    )
    return Question(text, words.nouns[item.shape][0].one, place, "shape", words.name)


def ask_size(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask whether an object is small or large, or which of two of a shape is the larger or smaller one."""
    words = naming.words
    namable = [
        item
        for item in view.items
        if item.shape in words.nouns
        and sum((other.shape, other.color) == (item.shape, item.color) for other in view.all) == 1
    ]
    kind = pick(rng, ("size", "larger", "smaller"))
    if kind == "size":
        sized = [item for item in namable if item.size != "medium"]
        if not sized:
            return None
        item = pick(rng, sized)
        text = words.draw_question(rng, "size", phrasing).format(
            it=naming.phrase(rng, item, sized=False, generic=False)
        )
        return Question(text, words.size_answers[item.size], None, "size", words.name)
    pairs = [
        (first, second)
        for first in namable
        for second in namable
        if first.shape == second.shape and first.size != second.size
    ]
    if not pairs:
        return None
    first, second = pick(rng, pairs)
    text = words.draw_question(rng, kind, phrasing).format(
        it=_unsized(naming, rng, first), other=_unsized(naming, rng, second)
    )
    chosen = first if (first.width > second.width) == (kind == "larger") else second
    return Question(text, naming.answer(chosen), None, "size", words.name)


def _unsized(naming: Naming, rng: Rng, item: Item) -> str:
    return naming.phrase(rng, item, sized=False, colored=True, generic=False)
