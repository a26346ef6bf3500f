"""Laying out a scene at random: which objects stand there, where, and in which colours, independently."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sim.errors import SimError
from sim.objects import CARD_COLOR, SHAPES, SIZES, UNSEEN_HARD, ObjectSpec, height_of, upright, width_of
from sim.scene import WORKSPACE
from sim.variations import Split

MAX_YAW = 0.3  # rad; of what the fingers, which never turn, must grasp
EXTRA_PROBABILITY = 0.3  # that an object stands there which the task does not need
TWIN_PROBABILITY = 0.15  # that another object differs from one only in size
SIZE_SHARES = {"small": 0.2, "medium": 0.6, "large": 0.2}
BLOCK_SHARE = 0.4  # of movables; the other shapes share the rest
ROOM = 0.085  # m^2 that the circles of clearance may cover in all; more rarely fits
EXTRAS = ("bowl", "zone", "plate", "card")
TRIES = 200  # layouts before an arrangement counts as impossible

# A cabinet stands at the left or right edge and opens towards the middle: half its depth along y, half its
# width along x, and how far its open drawer reaches towards the middle, m.
DRAWER_Y = 0.30
DRAWER_X = (0.44, 0.56)
_DRAWER_HALF_X = 0.07
_DRAWER_REACH = 0.23
_DRAWER_BACK = 0.06


class Kind(NamedTuple):
    """A shape in a size."""

    shape: str
    size: str = "medium"

    @property
    def clearance(self) -> float:
        """Room around the centre, m."""
        return SHAPES[self.shape].clearance + (SIZES[self.size] - 1) * SHAPES[self.shape].width / 2

    @property
    def area(self) -> float:
        """Of the circle of clearance, m^2."""
        return np.pi * self.clearance**2


class Spot(NamedTuple):
    """A place for an object: x, y in m."""

    kind: Kind
    x: float
    y: float


Start = Callable[[np.random.Generator, Sequence[Kind]], list[Spot]]
Allowed = Callable[[Sequence[Spot], Kind, float, float], bool]


class Stock:
    """What can still be put on the table: bodies of each kind, and room.

    Args:
        slots: how many objects of each (shape, size) can stand at once.
    """

    def __init__(self, slots: Mapping[tuple[str, str], int]) -> None:
        self._free = dict(slots)
        self._room = ROOM

    def has(self, kind: Kind) -> bool:
        """Whether another object of a kind can be put."""
        flat = SHAPES[kind.shape].part == "flat"
        return (flat or self._free.get(kind, 0) > 0) and kind.area <= self._room

    def take(self, kind: Kind) -> None:
        """Put one."""
        self._free[kind] = self._free.get(kind, 0) - 1
        self._room -= kind.area


def draw_extras(
    rng: np.random.Generator, split: Split, roles: Sequence[Kind], slots: Mapping[tuple[str, str], int]
) -> list[Kind]:
    """Draw what stands beside the objects that a task needs: movables up to four in all, and other things."""
    chances = rng.random(4) < EXTRA_PROBABILITY
    wanted = int(rng.integers(2, 5)) - sum(SHAPES[kind.shape].part == "movable" for kind in roles)
    stock = Stock(slots)
    for kind in roles:
        stock.take(kind)
    extras: list[Kind] = []

    def add(kind: Kind) -> None:
        if stock.has(kind):
            stock.take(kind)
            extras.append(kind)

    if not split.plain and rng.random() < TWIN_PROBABILITY and roles[0].size != "medium":
        add(Kind(roles[0].shape, "large" if roles[0].size == "small" else "small"))
    for _ in range(max(wanted - len(extras), 0)):
        add(draw_kind(rng, split, split.movable))
    for chance, shape in zip(chances, ("bowl", "zone") if split.plain else EXTRAS, strict=False):
        if chance and not (split.plain and shape == "zone" and Kind(shape) in roles):
            add(Kind(shape))
    return extras


def draw_kind(rng: np.random.Generator, split: Split, shapes: Sequence[str]) -> Kind:
    """Draw one of these shapes, blocks more often than others, and its size."""
    others = [shape for shape in shapes if shape != "block"]
    if "block" in shapes and (not others or rng.random() < BLOCK_SHARE):
        shape = "block"
    else:
        shape = others[int(rng.integers(len(others)))]
    sizes = SHAPES[shape].sizes
    if split.plain or len(sizes) == 1:
        return Kind(shape)
    return Kind(shape, sizes[int(np.searchsorted(np.cumsum([SIZE_SHARES[s] for s in sizes]), rng.random()))])


def is_free(spots: Sequence[Spot], kind: Kind, x: float, y: float) -> bool:
    """Whether an object at (x, y) keeps its distance from those already placed."""
    return all(_gap(spot, x, y) >= kind.clearance for spot in spots)


def _gap(spot: Spot, x: float, y: float) -> float:
    """Distance in m from (x, y) to the room that belongs to an object; a drawer's room is where it slides."""
    if spot.kind.shape != "drawer":
        return float(np.hypot(x - spot.x, y - spot.y)) - spot.kind.clearance
    side = np.sign(spot.y)
    along = side * (spot.y - y)  # towards the middle
    outside = (
        max(abs(x - spot.x) - _DRAWER_HALF_X, 0.0),
        max(along - _DRAWER_REACH, -_DRAWER_BACK - along, 0.0),
    )
    return float(np.hypot(*outside))


def draw_spots(
    rng: np.random.Generator,
    kinds: Sequence[Kind],
    start: Start | None = None,
    allowed: Allowed | None = None,
) -> tuple[list[Spot], int]:
    """Draw places for objects, uniform over the workspace and apart from each other.

    Args:
        rng: source of the draw.
        kinds: of the objects, in order.
        start: draws the places of the first few objects, where a task is particular about them.
        allowed: a further condition of a task on each later place, given those so far.
    Returns:
        A place for each of `kinds`, and how many arrangements were thrown away.
    Raises:
        SimError: the objects do not fit on the table.
    """
    for resampled in range(TRIES):
        spots = start(rng, kinds) if start else []
        drawn = len(spots)
        # Large objects first, for they are hard to fit; the order asked for is restored below.
        later = sorted(range(drawn, len(kinds)), key=lambda i: -kinds[i].clearance)
        found: dict[int, Spot] = {}
        for index in later:
            kind = kinds[index]
            for _ in range(30):
                x, y = _draw_place(rng, kind)
                if is_free(spots, kind, x, y) and (allowed is None or allowed(spots, kind, x, y)):
                    found[index] = Spot(kind, x, y)
                    spots.append(found[index])
                    break
            else:
                break
        if len(found) == len(later):
            return spots[:drawn] + [found[index] for index in range(drawn, len(kinds))], resampled
    raise SimError(f"{len(kinds)} objects do not fit on the table: {', '.join(kind.shape for kind in kinds)}")


def draw_apart(rng: np.random.Generator, kinds: Sequence[Kind], distance: float) -> list[Spot]:
    """Draw places for two objects whose middles are more than a distance (m) apart."""
    while True:
        (first, second), _ = draw_spots(rng, kinds)
        if np.hypot(first.x - second.x, first.y - second.y) > distance:
            return [first, second]


def _draw_place(rng: np.random.Generator, kind: Kind) -> tuple[float, float]:
    if kind.shape == "drawer":
        return float(rng.uniform(*DRAWER_X)), DRAWER_Y * (1 if rng.random() < 0.5 else -1)
    margin = max(width_of(*kind) / 2 - 0.02, 0.0)  # a block of 4 cm may stand with its centre on the edge
    x, y = (float(rng.uniform(low + margin, high - margin)) for low, high in WORKSPACE)
    return x, y


def draw_specs(rng: np.random.Generator, spots: Sequence[Spot], split: Split) -> list[ObjectSpec]:
    """Draw colours, symbols and turns of objects that stand at `spots`; the first one is the target.

    Objects of one shape differ in colour, and cards in symbol, unless a small one stands by a large one.
    """
    colors: dict[str, list[str]] = {}
    for shape in SHAPES:  # drawn for all shapes, so that a draw does not depend on which stand there
        allowed = split.colors_of(shape)
        colors[shape] = [allowed[i] for i in rng.permutation(len(allowed))]
    wanted = split.target_colors_of(spots[0].kind.shape)
    if split.held_out_pair and wanted:
        colors[spots[0].kind.shape].append(wanted[int(rng.integers(len(wanted)))])
    symbols = [split.symbols[i] for i in rng.permutation(len(split.symbols))]
    yaws = rng.uniform(-MAX_YAW, MAX_YAW, len(spots))
    specs: list[ObjectSpec] = []
    for index, (kind, x, y) in enumerate(spots):
        part = SHAPES[kind.shape].part
        twin = next((spec for spec in specs if _differ_in_size(spec, kind)), None)
        color = twin.color if twin else colors[kind.shape].pop()
        if index == 0 and kind.shape in UNSEEN_HARD:  # it has no word of its own, so its colour must tell it
            colors = {shape: [name for name in names if name != color] for shape, names in colors.items()}
        yaw = float(yaws[index]) if part == "movable" or kind.shape == "card" else 0.0
        if kind.shape == "drawer" and y > 0:
            yaw = np.pi
        specs.append(
            ObjectSpec(
                kind.shape,
                CARD_COLOR if kind.shape == "card" else color,
                (x, y, height_of(*kind) / 2 if part == "movable" else 0.0),
                upright(yaw),
                kind.size,
                symbols.pop() if kind.shape == "card" else None,
                0.0 if part == "fixture" else None,
            )
        )
    return specs


def _differ_in_size(spec: ObjectSpec, kind: Kind) -> bool:
    """Whether an object is the small one of a pair and the kind the large one, or the other way round."""
    return spec.shape == kind.shape and {spec.size, kind.size} == {"small", "large"}
