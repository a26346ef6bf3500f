"""Reads questions and instructions back by their templates."""

import re
from itertools import product
from typing import NamedTuple

from sim.language.vocabulary import vocabulary
from sim.symbols import SYMBOLS

PARTS = ("target", "goal", "third")
BY_ONE_WORD = ("color_in_any_bowl", "existence_color", "existence_symbol")
"""Kinds read first: "the bowl" is any bowl, "a red object" any red one, though both are phrases, too."""


class Meaning(NamedTuple):
    """What a phrase says of an object; None where it says nothing."""

    shape: str | None = None
    color: str | None = None
    size: str | None = None
    symbol: str | None = None

    def fits(self, thing):
        said = zip(self, (thing["shape"], thing["color"], thing["size"], thing["symbol"]), strict=True)
        return all(value in (None, found) for value, found in said)


class Riddle(NamedTuple):
    """What a phrase says that must be reasoned out: kind in `references`, and its slots by name."""

    kind: str
    slots: tuple[tuple[str, str], ...]


def wordings(template):
    """Every choice of a template's alternatives; slots stay open."""
    pieces = re.split(r"\(([^()]*)\)", template)
    choices = [piece.split("|") if i % 2 else [piece] for i, piece in enumerate(pieces)]
    return ["".join(chosen) for chosen in product(*choices)]


class Reader:
    """Reads texts of one language: which template wrote a question, and what fills its slots."""

    def __init__(self, language):
        self.words = words = vocabulary(language)
        self.nouns = {
            w: shape for shape, nouns in words.nouns.items() for n in nouns for w in (n.one, n.many)
        }
        self.adjectives = {word: color for color, ways in words.adjectives.items() for word in ways}
        self.signs = {way: name for name in SYMBOLS for way in self._ways(name, words.signs)}
        self.phrases = {way: Meaning("card", symbol=n) for n in SYMBOLS for way in self._ways(n, words.cards)}
        sizes = {word: size for size, ways in words.size_adjectives.items() for word in ways} | {"": None}
        colors = self.adjectives | {"": None}
        for size, color, noun in product(sizes, colors, set(self.nouns) - {"card", "カード"}):
            shape = None if self.nouns[noun] == "any" else self.nouns[noun]
            self.phrases[words.join(size, color, noun)] = Meaning(shape, colors[color], sizes[size])
        self.negated = {word: color for color, word in words.negated.items()}
        self.numbers = {word: name for name, (_, _, word) in words.symbols.items() if name.isdigit()}
        self.counters = sorted({words.counter(shape) for shape in (*words.nouns, "any")})
        self.riddles = self._compile(words.references)
        templates = self._compile(words.questions) + self._compile(words.held_out_questions)
        self.templates = sorted(templates, key=lambda template: template[0] not in BY_ONE_WORD)
        self.orders = self._compile(words.instructions) + self._compile(words.held_out)

    def _ways(self, symbol, ways):
        category, sign, word = self.words.symbols[symbol]
        return [way.format(sign=sign, word=word) for way in ways[category]]

    def _any_noun(self):
        return "(" + "|".join(sorted(self.nouns, key=len, reverse=True)) + ")"

    def _compile(self, groups):
        compiled = []
        for kind, templates in groups.items():
            for template in templates:
                names = [name for name in re.findall(r"\{(\w+)\}", template) if name != "point"]
                text = re.sub(r"\\([(|)])", r"\1", re.escape(template)).replace("(", "(?:")
                text = re.sub(r"\\\{(noun|any)s?\\\}", self._any_noun(), text)
                text = text.replace(r"\{colour\}", f"({'|'.join(self.words.colour_words)})")
                text = text.replace(r"\{counter\}", f"({'|'.join(self.counters)})")
                pieces = [piece for piece in re.split(r"\{(?!point)\w+\}|\(.*?\)", template) if piece]
                # A phrase may hold words of the template, too: it is as short or as long as it can be, and
                # of か ("or") it holds that of かれた ("written") alone.
                for filler in ("(.+?)", "(.+)", "((?:[^か]|か(?=れた))+)"):
                    pattern = re.compile(re.sub(r"\\\{(?!point)\w+\\\}", filler, text))
                    compiled.append((kind, template, names, pieces, pattern))
        return compiled

    def _meaning(self, slot, text):
        if slot == "it":
            return self.phrases.get(text) or self._riddle(text)
        if slot in ("other", "goal", "target", "third"):
            return self.phrases.get(text)
        if slot == "a_it":
            return self.phrases.get(re.sub("^an? ", "", text))
        if slot in ("noun", "nouns", "container", "any"):
            return self.nouns.get(text)
        if slot in ("color", "a_color"):
            return self.adjectives.get(re.sub("^an? ", "", text))
        if slot == "colour":
            return text if text in self.words.colour_words else None
        return self.signs.get(text) if slot == "sign" else text

    def _riddle(self, text):
        meanings = {
            "noun": self.nouns,
            "other": self.nouns,
            "color": self.adjectives,
            "negated": self.negated,
        }
        for kind, _, names, _, pattern in self.riddles:
            if match := pattern.fullmatch(text):
                words = zip(names, match.groups(), strict=True)
                slots = {name: meanings.get(name, self.numbers).get(word) for name, word in words}
                if None not in slots.values():
                    return Riddle(kind, tuple(slots.items()))
        return None

    def _read(self, text, templates):
        for kind, template, names, pieces, pattern in templates:
            if all(piece in text for piece in pieces) and (match := pattern.fullmatch(text)):
                found = zip(names, match.groups(), strict=True)
                # A slot in an alternative that was not taken is None.
                slots = {name: self._meaning(name, value) for name, value in found if value is not None}
                if None not in slots.values():
                    slots |= {name.removeprefix("a_").removesuffix("s"): slots[name] for name in [*slots]}
                    yield kind, template, slots

    def question(self, text):
        """Kind, template and slots of a question: every slot with its meaning."""
        for found in self._read(text, self.templates):
            return found
        raise AssertionError(f"no template wrote {text!r}")

    def order(self, text):
        """(task, meanings of target, goal and third) for each task that an instruction could be of."""
        return [
            (task, [s[part] for part in PARTS if part in s]) for task, _, s in self._read(text, self.orders)
        ]
