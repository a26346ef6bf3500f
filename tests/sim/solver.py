"""Answers questions from the segmentation image and the raw scene, to check the answers that are given.

None of the code that asks is used here, so that both would have to be wrong in the same way.
"""

import math
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from sim.objects import SHAPES, width_of
from sim.tasks import TASK_CLASSES
from sim.tasks.conditions import is_on_top
from sim.view import View
from tests.sim.reader import PARTS, Meaning, Reader, Riddle

VISIBLE_SHARE = 0.0011  # of the pixels: as much must be seen of an object to call it visible
UNKNOWN = "unknown"
PUT_TASKS = {"bowl": "place_in_bowl", "plate": "place_on_plate", "card": "place_on_card", "zone": "push"}


@dataclass
class World:
    """One scene, as the segmentation image (or where there is none, the scene's own flags) shows it."""

    scene: dict
    segmentation: np.ndarray | None = None

    def __post_init__(self):
        self.things = self.scene["objects"]
        self.hand = self.scene["gripper"]
        self.camera = View.from_dict(self.scene["view"]).front_camera()
        if self.segmentation is None:
            self.seen = [thing for thing in self.things if thing["visible"]]
        else:
            enough = VISIBLE_SHARE * self.segmentation.size
            self.seen = [t for t in self.things if (self.segmentation == self._number(t)).sum() >= enough]
        self.held = next((t for t in self.seen if t["name"] == self.hand["holding"]), None)

    def _number(self, thing):
        return 2 + self.things.index(thing)

    def column(self, thing):
        """Where an object is across the picture, from the left, in [0, 1]."""
        if self.segmentation is None:
            return float(self.camera.pixel_from_world(np.array(thing["position"]))[0])
        return float(
            np.nonzero(self.segmentation == self._number(thing))[1].mean() / self.segmentation.shape[1]
        )

    def key(self, way):
        """A number that is the least for the object that is furthest to a side."""
        if way in ("left", "right"):
            return lambda thing: self.column(thing) * (1 if way == "left" else -1)
        place = (0.0, 0.0) if way == "near_robot" else self.camera.eye[:2]
        return lambda thing: math.dist(thing["position"][:2], place)

    def of(self, shape):
        """The visible objects of a shape; none of them may be out of sight."""
        fitting = [thing for thing in self.things if shape in ("any", thing["shape"])]
        assert all(thing in self.seen for thing in fitting), "one of them is not to be seen"
        return fitting

    def the(self, meaning):
        """The one object that a phrase fits."""
        (thing,) = [thing for thing in self.things if meaning.fits(thing)]
        assert thing in self.seen
        return thing

    def meant(self, riddle):
        """The one object that must be reasoned out."""
        kind, slots = riddle.kind, dict(riddle.slots)
        if kind in ("sum", "one_more") or kind.endswith("_number") or kind.startswith("category"):
            return self._card_meant(kind, slots)
        things = self.of(slots["noun"])
        assert len(things) > 1
        match kind:
            case "leftmost" | "rightmost" | "near_robot" | "near_camera":
                return min(things, key=self.key(kind.removesuffix("most")))
            case "same_color":
                (other,) = self.of(slots["other"])
                (thing,) = [thing for thing in things if thing["color"] == other["color"]]
            case "not_color":
                color = slots["color"] if "color" in slots else slots["negated"]
                (thing,) = [thing for thing in things if thing["color"] != color]
            case "largest" | "smallest":
                sign = 1 if kind == "largest" else -1
                order = sorted(things, key=lambda t: sign * width_of(t["shape"], t["size"]))
                assert order[-1]["size"] != order[-2]["size"]
                thing = order[-1]
        return thing

    def _card_meant(self, kind, slots):
        cards = {thing["symbol"]: thing for thing in self.of("card")}
        numbers = {int(symbol): card for symbol, card in cards.items() if symbol.isdigit()}
        if kind.startswith("category"):
            groups = {"digits": str.isdigit, "letters": lambda s: len(s) == 1 and s.isalpha()}
            groups["pictures"] = lambda s: not any(groups[name](s) for name in ("digits", "letters"))
            (symbol,) = [symbol for symbol in cards if groups[kind.removeprefix("category_")](symbol)]
            return cards[symbol]
        if kind.endswith("_number"):
            assert len(numbers) > 1
            return numbers[max(numbers) if kind == "largest_number" else min(numbers)]
        return numbers[sum(map(int, slots.values())) + (kind == "one_more")]

    def at(self, point):
        """What lies at a place."""
        return [thing for thing in self.things if math.dist(thing["position"][:2], point) < 0.05]

    def is_success(self, task, things):
        names = [thing["name"] for thing in things] + [None] * 3
        return TASK_CLASSES[task]().is_success({**self.scene, **dict(zip(PARTS, names, strict=False))})

    def inside(self, goal):
        movable = [thing for thing in self.things if SHAPES[thing["shape"]].part == "movable"]
        if goal["shape"] == "block":
            return [thing for thing in movable if is_on_top(thing, goal)]
        return [thing for thing in movable if self.is_success(PUT_TASKS[goal["shape"]], [thing, goal])]

    def is_legible(self, card):
        """Whether at least half of a card's square is in sight."""
        if self.segmentation is None:
            return True
        half = SHAPES["card"].width / 2
        x, y, _ = card["position"]
        corners = [(x + i * half, y + j * half, 0.0) for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        columns, rows = self.camera.pixel_from_world(np.array(corners)).T
        area = abs(columns @ np.roll(rows, 1) - rows @ np.roll(columns, 1)) / 2 * self.segmentation.size
        return (self.segmentation == self._number(card)).sum() > area / 2


class Solver:
    """Answers the questions of one language."""

    def __init__(self, language):
        self.reader = Reader(language)
        self.words = self.reader.words

    def answer(self, scene, reading, point=None, segmentation=None):
        """The answer to a question that was read: words, a place, or for an inventory names and places."""
        kind, _, slots = reading
        world = World(scene, segmentation)
        for solve in (self._of_looks, self._of_places, self._of_states, self._of_tasks):
            found = solve(world, kind, slots, point)
            if found is not None:
                return found
        raise AssertionError(f"no way to answer a question of kind {kind!r}")

    def name(self, world, thing):
        """How answers name an object; nothing is named `nothing`."""
        words = self.words
        if thing is None:
            return words.replies["nothing"]
        if thing["symbol"] is not None:
            category, sign, _ = words.symbols[thing["symbol"]]
            return words.card_answers[category].format(sign=sign)
        alike = [t for t in world.things if (t["shape"], t["color"]) == (thing["shape"], thing["color"])]
        size = words.size_adjectives[thing["size"]][0] if len(alike) > 1 else ""
        return words.join(
            size,
            words.adjectives[thing["color"]][0],
            words.nouns.get(thing["shape"], words.nouns["any"])[0].one,
        )

    def _yes(self, holds):
        return self.words.replies["yes" if holds else "no"]

    def _only(self, things, say, *, differ):
        """What is said of the only thing; of none, or of several that differ, it is not known."""
        if len(things) == 1:
            return say(things[0])
        assert not things or len({differ(thing) for thing in things}) > 1
        return self.words.replies[UNKNOWN]

    def _of_looks(self, world, kind, slots, point):
        words = self.words

        def color(thing):
            return words.color_answers[thing["color"]]

        def shape(thing):
            return words.nouns[thing["shape"]][0].one

        def size(thing):
            return words.size_answers[thing["size"]]

        match kind.split("_"):
            case "color", "only":
                things = [thing for thing in world.seen if thing["shape"] == slots["noun"]]
                return self._only(things if len(things) > 1 else world.of(slots["noun"]), color, differ=color)
            case "color", "held":
                assert slots["noun"] in ("any", world.held["shape"])
                return color(world.held)
            case "color", "in", *_:
                fits = slots["goal"].fits if "goal" in slots else lambda thing: thing["shape"] == "bowl"
                bowls = [thing for thing in world.things if fits(thing)]
                things = [thing for bowl in bowls for thing in world.inside(bowl)]
                (thing,) = [thing for thing in things if slots["noun"] in ("any", thing["shape"])]
                return color(thing)
            case "color", ("left" | "right" | "near") as first, *rest:
                things = world.of(slots["noun"])
                assert len(things) > 1
                return color(min(things, key=world.key("_".join([first, *rest]))))
            case ["existence"]:
                return self._yes(self._exists(world, slots["it"]))
            case "existence", what:
                slot = "color" if what == "color" else "symbol"
                return self._yes(
                    self._exists(world, Meaning(**{slot: slots[slot if slot == "color" else "sign"]}))
                )
            case ["count"]:
                return words.number(len(world.of(slots["noun"])), slots["noun"])
            case "count", "color":
                assert all(t in world.seen for t in world.things if t["color"] == slots["color"])
                return words.number(sum(thing["color"] == slots["color"] for thing in world.seen))
            case "shape", "of":
                things = [thing for thing in world.things if thing["color"] == slots["color"]]
                return self._only(things, shape, differ=lambda thing: thing["shape"])
            case "shape", "held":
                return shape(world.held)
            case "shape", "at":
                (thing,) = world.at(point)
                return shape(thing)
            case ["size"]:
                things = [thing for thing in world.things if slots["it"].fits(thing)]
                return self._only(things, size, differ=lambda thing: thing["size"])
            case [("larger" | "smaller") as which]:
                widths = {
                    width_of(thing["shape"], thing["size"]): thing
                    for thing in (world.the(slots["it"]), world.the(slots["other"]))
                }
                assert len(widths) == 2
                return self.name(world, widths[max(widths) if which == "larger" else min(widths)])
        return None

    @staticmethod
    def _exists(world, meaning):
        fitting = [thing for thing in world.things if meaning.fits(thing)]
        assert all(thing in world.seen for thing in fitting), "whether it is to be seen could be disputed"
        return bool(fitting)

    def _of_places(self, world, kind, slots, point):
        match kind.split("_", 1):
            case ["location"]:
                if isinstance(slots["it"], Riddle):
                    things = [world.meant(slots["it"])]
                else:
                    things = [thing for thing in world.things if slots["it"].fits(thing)]
                return self._only(things, lambda t: tuple(t["position"][:2]), differ=lambda t: t["name"])
            case ["inventory"]:
                on_table = [t for t in world.seen if t is not world.held and t["position"][2] < 0.16]
                return {self.name(world, thing): tuple(thing["position"][:2]) for thing in on_table}
            case "color", "at":
                near = world.at(point)
                assert len(near) < 2
                return self.name(world, near[0] if near else None)
            case "nearest", "gripper":
                return self.name(world, self._nearest(world.things, world.hand["position"], 2))
            case ["nearest"]:
                it = world.the(slots["it"])
                others = [t for t in world.things if t is not it and t["name"] != world.hand["holding"]]
                return self.name(world, self._nearest(others, it["position"], 2))
            case "symbol", where:
                if where == "at":
                    (card,) = world.at(point)
                else:
                    cards = world.of("card")
                    assert (len(cards) == 1) == (where == "only")
                    card = cards[0] if where == "only" else min(cards, key=world.key(where))
                assert world.is_legible(card)
                return self.words.symbols[card["symbol"]][1]
            case "which", way:
                first, second = world.the(slots["it"]), world.the(slots["other"])
                return self.name(world, min(first, second, key=world.key(way)))
        if kind in ("left", "right", "near_robot", "near_camera"):
            key = world.key(kind)
            return self._yes(key(world.the(slots["it"])) < key(world.the(slots["other"])))
        return None

    @staticmethod
    def _nearest(things, place, axes):
        return min(things, key=lambda thing: math.dist(thing["position"][:axes], place[:axes]))

    def _of_states(self, world, kind, slots, point):
        match kind.split("_"):
            case ["holding"]:
                return self.name(world, world.held)
            case ["contents"] | ["on", "top"]:
                inside = world.inside(world.the(slots["goal"]))
                assert len(inside) < 2
                return self.name(world, inside[0] if inside else None)
            case "gripper", state:
                return self._yes((world.hand["opening"] > 0.5) == (state == "open"))
            case (("drawer" | "button"), state):
                return self._yes((world.the(slots["it"])["joint"] > 0.5) == (state in ("open", "pressed")))
        return None

    def is_feasible(self, scene, instruction):
        """Whether some task that an instruction could be of has all that it names, each once."""
        return bool(self._able(World(scene), instruction))

    def _able(self, world, instruction):
        readings = [
            (task, [[thing for thing in world.things if meaning.fits(thing)] for meaning in meanings])
            for task, meanings in self.reader.order(instruction)
        ]
        return [
            (task, [things[0] for things in parts])
            for task, parts in readings
            if all(len(things) == 1 for things in parts) and self._can_play(task, [t[0] for t in parts])
        ]

    def _of_tasks(self, world, kind, slots, point):
        able = self._able(world, slots["instruction"])
        if kind == "feasible":
            return self._yes(bool(able))
        (task, parts), *_ = able
        done = {world.is_success(task, parts) for task, parts in able}
        assert len(done) == 1
        if kind == "done":
            return self._yes(done.pop())
        return self._next(world, task, parts, done.pop())

    @staticmethod
    def _can_play(task, parts):
        roles = TASK_CLASSES[task].roles
        distinct = len({thing["name"] for thing in parts}) == len(parts)
        return distinct and all(t["shape"] in shapes for t, shapes in zip(parts, roles, strict=False))

    def _next(self, world, task, parts, done):
        """The next step by simple rules."""
        steps, held = self.words.steps, world.hand["holding"]
        if done:
            return steps["nothing"]
        put = {"place_in_bowl": "put_in", "put_in_drawer": "put_in", "move_near": "put_near"}.get(
            task, "put_on"
        )
        if task == "stack_three":
            on = {
                (a["name"], b["name"]) for a, b in permutations(parts, 2) if world.is_success("stack", [a, b])
            }
            second, third = (thing["name"] for thing in parts[1:])
            parts = parts[:2] if (second, third) in on else parts[1:]
            if on - {(second, third)}:
                if held is not None:
                    return steps["put_aside"]
                (uppermost,) = {upper for upper, _ in on} - {lower for _, lower in on}
                return steps["pick_up"].format(
                    it=self.name(world, next(t for t in world.things if t["name"] == uppermost))
                )
            if held not in (None, parts[0]["name"]):
                return steps["put_aside"]
        if task == "sort_by_color":
            put = "put_in"
            blocks = [thing for thing in world.things if thing["shape"] == "block"]
            bowls = {thing["color"]: thing for thing in world.things if thing["shape"] == "bowl"}
            left = [t for t in blocks if not world.is_success("place_in_bowl", [t, bowls[t["color"]]])]
            block = world.held if held is not None else left[0]
            parts = [block, bowls[block["color"]]]
        names = [self.name(world, thing) for thing in parts]
        if task in steps and task != "pick_up":
            return steps[task].format(it=names[0], goal=names[-1])
        if task == "put_in_drawer" and parts[1]["joint"] < 0.5:
            return steps["open_drawer"].format(it=names[1])
        if held != parts[0]["name"] or task == "pick_up":
            return steps["pick_up"].format(it=names[0])
        return steps["put_upright"] if task == "place_upright" else steps[put].format(goal=names[1])
