"""What an episode looks like: where the front camera stands, the light, and the cloth on the table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.camera import NO_SHIFT, Camera, Shift, front_camera
from sim.errors import SimError, unknown_name

Rgb = tuple[int, int, int]  # 0 to 255
VARIETIES = ("basic", "seen", "easy", "hard")
PATTERNS = ("plain", "checker", "stripes", "dots", "grain", "noise")


@dataclass(frozen=True)
class Light:
    """One far lamp and light from everywhere.

    A surface shows its colour times ambient + diffuse * cosine * color.

    Args:
        direction: from the table to the lamp, of any length.
        ambient: light from everywhere, unitless.
        diffuse: light of the lamp on a surface that faces it, unitless.
        color: red, green, blue of the lamp, in [0, 1].
    """

    direction: tuple[float, float, float] = (0.6, 0.4, 1.6)
    ambient: float = 0.6
    diffuse: float = 0.5
    color: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def on_table(self) -> tuple[float, ...]:
        """What a surface that faces upwards multiplies its red, green and blue by."""
        cosine = max(0.0, self.direction[2]) / sum(value * value for value in self.direction) ** 0.5
        return tuple(self.ambient + self.diffuse * cosine * value for value in self.color)


@dataclass(frozen=True)
class Background:
    """The cloth on the table.

    Args:
        pattern: one of PATTERNS.
        colors: one colour if plain, else two, as they look in the basic light.
        period: after how many metres the pattern repeats, along both axes.
        angle: of the pattern on the table, in radians.
        seed: of what is irregular in it.
    """

    pattern: str = "plain"
    colors: tuple[Rgb, ...] = ((217, 210, 199),)
    period: float = 0.2
    angle: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class View:
    """How one episode looks. Without arguments: as in every episode of the basic world.

    Args:
        eye_shift: moves the front camera, m in the world frame.
        target_shift: moves the point it looks at, m in the world frame.
        light: of every picture.
        background: the cloth on the table.
    """

    eye_shift: Shift = NO_SHIFT
    target_shift: Shift = NO_SHIFT
    light: Light = Light()
    background: Background = Background()

    def front_camera(self) -> Camera:
        """The front camera where this view has it."""
        return front_camera(self.eye_shift, self.target_shift)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON data."""
        light, cloth = self.light, self.background  # written out: `asdict` takes 40 times as long
        return {
            "eye_shift": list(self.eye_shift),
            "target_shift": list(self.target_shift),
            "light": {
                "direction": list(light.direction),
                "ambient": light.ambient,
                "diffuse": light.diffuse,
                "color": list(light.color),
            },
            "background": {
                "pattern": cloth.pattern,
                "colors": [list(color) for color in cloth.colors],
                "period": cloth.period,
                "angle": cloth.angle,
                "seed": cloth.seed,
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "View":
        """The view that `as_dict` wrote.

        Raises:
            SimError: something is missing, unknown or of the wrong kind.
        """
        try:
            light, cloth = data["light"], data["background"]
            view = cls(
                _triple(data["eye_shift"]),
                _triple(data["target_shift"]),
                Light(
                    _triple(light["direction"]), light["ambient"], light["diffuse"], _triple(light["color"])
                ),
                Background(
                    **{**cloth, "colors": tuple((int(r), int(g), int(b)) for r, g, b in cloth["colors"])}
                ),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SimError(
                f"malformed view {data!r}: {error!r}; allowed: what View.as_dict returns"
            ) from error
        if view.background.pattern not in PATTERNS:
            raise unknown_name("pattern", view.background.pattern, PATTERNS)
        return view


def _triple(values: Any) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third


# Cloths. Every colour of an object stands out on those that are seen in training: plain and light.
SEEN_COLORS: tuple[Rgb, ...] = (
    (217, 210, 199),
    (206, 209, 213),
    (228, 218, 196),
    (198, 210, 220),
    (206, 217, 202),
    (224, 206, 205),
    (186, 185, 182),
)
EASY_COLORS: tuple[Rgb, ...] = (
    (190, 178, 212),
    (160, 188, 158),
    (138, 150, 166),
    (204, 184, 138),
    (156, 204, 200),
    (196, 156, 150),
)
HARD_PATTERNS = ("checker", "stripes", "dots", "grain", "noise")
HARD_COLORS: tuple[tuple[Rgb, Rgb], ...] = (
    ((232, 232, 228), (150, 162, 176)),
    ((222, 200, 160), (176, 140, 98)),
    ((170, 196, 168), (226, 232, 214)),
    ((208, 176, 200), (148, 128, 168)),
    ((120, 128, 132), (176, 180, 178)),
)


@dataclass(frozen=True)
class Environment:
    """Ranges that a camera's place and a light are drawn from.

    Args:
        shift: how far the front camera moves, m.
        turn: how far the lamp goes about the vertical, either way, in degrees.
        ambient: see Light.
        diffuse: see Light.
        tints: colours of the lamp.
    """

    shift: tuple[float, float]
    turn: tuple[float, float]
    ambient: tuple[float, float]
    diffuse: tuple[float, float]
    tints: tuple[tuple[float, float, float], ...] = ((1.0, 1.0, 1.0),)


# Of each kind one of the environments is drawn. The shifts do not overlap, so that none is seen by chance.
ENVIRONMENTS: dict[str, tuple[Environment, ...]] = {
    "seen": (Environment((0.0, 0.01), (0.0, 20.0), (0.55, 0.65), (0.45, 0.55)),),
    "easy": (Environment((0.025, 0.035), (60.0, 120.0), (0.40, 0.50), (0.60, 0.75)),),
    "hard": (
        Environment((0.15, 0.20), (90.0, 180.0), (0.28, 0.36), (0.25, 0.35)),
        Environment(
            (0.15, 0.20),
            (90.0, 180.0),
            (0.35, 0.45),
            (0.60, 0.75),
            ((1.0, 0.55, 0.25), (0.35, 0.60, 1.0), (0.45, 1.0, 0.50), (1.0, 0.45, 0.85)),
        ),
    ),
}
# m: corners of where objects stand and may be carried, which a moved camera still has in its picture.
KEPT_IN_VIEW = np.array(
    [(x, y, 0.0) for x in (0.30, 0.70) for y in (-0.30, 0.30)]
    + [(x, y, 0.25) for x in (0.35, 0.65) for y in (-0.25, 0.25)]
)
_EDGE = 0.01  # of the picture's side, kept free around them


def draw_view(rng: np.random.Generator, background: str = "basic", environment: str = "basic") -> View:
    """Draw what an episode looks like.

    Args:
        rng: source of the draw; untouched if both are basic.
        background: a name from VARIETIES. basic: the one cloth of the basic world; seen: those of
            demonstrations; easy: other plain colours; hard: patterns.
        environment: a name from VARIETIES. basic: one fixed camera and light; seen: both varied a little;
            easy: another light, and a camera 3 cm away; hard: a dim or coloured light, and a camera 15 to
            20 cm away.
    Raises:
        SimError: a name is unknown.
    """
    for name in (background, environment):
        if name not in VARIETIES:
            raise unknown_name("variety of views", name, VARIETIES)
    cloth = _draw_background(rng, background)
    if environment == "basic":
        return View(background=cloth)
    choices = ENVIRONMENTS[environment]
    ranges = choices[rng.integers(len(choices))]
    light = _draw_light(rng, ranges)
    while True:
        eye_shift, target_shift = _draw_shift(rng, ranges.shift), _draw_shift(rng, (0.0, ranges.shift[0] / 4))
        view = View(eye_shift, target_shift, light, cloth)
        places = view.front_camera().pixel_from_world(KEPT_IN_VIEW)
        if places.min() > _EDGE and places.max() < 1 - _EDGE:
            return view


def _draw_background(rng: np.random.Generator, variety: str) -> Background:
    if variety == "basic":
        return Background()
    if variety == "hard":
        pattern, colors = (
            HARD_PATTERNS[rng.integers(len(HARD_PATTERNS))],
            HARD_COLORS[rng.integers(len(HARD_COLORS))],
        )
        large = pattern in ("grain", "noise")
        period = rng.uniform(0.4, 0.6) if large else rng.uniform(0.08, 0.16)
        angle = rng.uniform(0, np.pi / 2)
        return Background(pattern, colors, round(period, 3), round(angle, 3), int(rng.integers(1000)))
    plain = SEEN_COLORS if variety == "seen" else EASY_COLORS
    return Background(colors=(plain[rng.integers(len(plain))],))


def _draw_light(rng: np.random.Generator, ranges: Environment) -> Light:
    x, y, z = Light().direction
    turn = np.radians(rng.uniform(*ranges.turn) * rng.choice([-1, 1]))
    direction = (x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn), z)
    return Light(
        _rounded(direction),
        round(rng.uniform(*ranges.ambient), 3),
        round(rng.uniform(*ranges.diffuse), 3),
        ranges.tints[rng.integers(len(ranges.tints))],
    )


def _draw_shift(rng: np.random.Generator, length: tuple[float, float]) -> Shift:
    """A shift of a length from this range (m), in any direction."""
    direction = rng.normal(size=3)
    return _rounded(direction / np.linalg.norm(direction) * rng.uniform(*length))


def _rounded(values: Any) -> tuple[float, float, float]:
    """To 0.1 mm: short to write down, and written down exactly."""
    return _triple(np.round(np.asarray(values, dtype=np.float64), 4))
