"""The bodies of an environment: made once, teleported to each new scene, read back as the truth."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sim.bodies import build_body
from sim.bullet import Bullet
from sim.errors import SimError
from sim.objects import COLORS, SHAPES, ObjectSpec
from sim.scene import SceneObject

_AWAY_X, _AWAY_Z = -50.0, -5.0  # m; bodies there fall, out of everything's way, and are not drawn

_BRAKE_N = 1.5  # what it takes to move a drawer
_SPRING_N, _SPRING_GAIN = 3.0, 0.1  # what holds a button up, and the share of its error removed in a substep
_CABINET_SHADE = 0.65  # of a drawer's colour


class Fixture(NamedTuple):
    """The movable part of a drawer or button: its joint, its coloured link, and how far it goes (m)."""

    joint: int
    link: int
    travel: float


class ObjectPool:
    """Bodies created once and teleported at each reset: exact, and a thousand times faster than loading.

    Args:
        bullet: the engine that holds the bodies.
        slots: how many of each (shape, size).
    """

    def __init__(self, bullet: Bullet, slots: Mapping[tuple[str, str], int]) -> None:
        self._bullet = bullet
        self._slots = {
            kind: [build_body(bullet, *kind) for _ in range(count)] for kind, count in slots.items()
        }
        self._fixtures = {
            body: self._make_fixture(shape, body)
            for (shape, _), bodies in self._slots.items()
            for body in bodies
            if SHAPES[shape].part == "fixture"
        }
        self._drawn = {body for bodies in self._slots.values() for body in bodies}
        self._specs: Sequence[ObjectSpec] = ()
        self._put: dict[int, tuple[tuple[float, ...], tuple[float, ...]]] = {}
        self.bodies: list[int | None] = []

    def _make_fixture(self, shape: str, body: int) -> Fixture:
        """Find the moving part of a drawer or button, and let its motor hold it."""
        joints, links = self._bullet.joints_and_links(body)
        joint = joints["slide" if shape == "drawer" else "press"]
        if shape == "drawer":
            self._bullet.brake(body, joint, _BRAKE_N)
        else:
            self._bullet.drive(body, [joint], [0.0], [_SPRING_N], [_SPRING_GAIN])
        link = links["drawer" if shape == "drawer" else "plunger"]
        return Fixture(joint, link, self._bullet.joint_limit(body, joint))

    def park(self) -> None:
        """Put every body out of sight, apart from everything, and let the engine forget what touched what.

        A contact remembered from an earlier episode would change this one. The robot must be clear of all.
        """
        for bodies in self._slots.values():
            for body in bodies:
                self._bullet.set_pose(body, (_AWAY_X, float(body), _AWAY_Z))
        self._bullet.find_contacts()

    def place(self, specs: Sequence[ObjectSpec]) -> None:
        """Put the objects of a scene in place, and into `bodies` (None where flat); all others out of sight.

        Raises:
            SimError: the scene has more objects of a kind than there are bodies.
        """
        free = {kind: list(bodies) for kind, bodies in self._slots.items()}
        self.park()
        self._specs, self.bodies, self._put = specs, [], {}
        for spec in specs:
            if SHAPES[spec.shape].part == "flat":
                self.bodies.append(None)
                continue
            bodies = free.get((spec.shape, spec.size), [])
            if not bodies:
                held = len(self._slots.get((spec.shape, spec.size), ()))
                what = f"{spec.size} {spec.shape}"
                raise SimError(f"the scene needs more than {held} of {what}, all that this env has")
            body = bodies.pop(0)
            self._draw(body, True)
            self._bullet.set_pose(body, spec.position, spec.orientation)
            self._put[body] = self._bullet.pose(body)
            link = -1
            if body in self._fixtures:
                joint, link, travel = self._fixtures[body]
                self._bullet.set_joints(body, [joint], [(spec.joint or 0.0) * travel])
                if spec.shape == "drawer":
                    self._bullet.set_color(
                        body, [_CABINET_SHADE * value for value in COLORS[spec.color][:3]] + [1.0]
                    )
            self._bullet.set_color(body, COLORS[spec.color], link)
            self.bodies.append(body)
        for bodies in free.values():
            for body in bodies:
                self._draw(body, False)

    def truth(self, visible: Sequence[bool]) -> list[SceneObject]:
        """Every object of the scene as it is now."""
        return [
            self._truth(spec, body, seen)
            for spec, body, seen in zip(self._specs, self.bodies, visible, strict=True)
        ]

    def movable(self) -> list[tuple[int, str]]:
        """Body and name of everything in the scene that can be held."""
        return [
            (body, spec.name)
            for spec, body in zip(self._specs, self.bodies, strict=True)
            if body is not None and SHAPES[spec.shape].part == "movable"
        ]

    def _draw(self, body: int, drawn: bool) -> None:
        """Let a body be seen or not; every one that the renderer considers costs time."""
        if (body in self._drawn) != drawn:
            self._bullet.set_drawn(body, drawn)
            (self._drawn.add if drawn else self._drawn.remove)(body)

    def _truth(self, spec: ObjectSpec, body: int | None, seen: bool) -> SceneObject:
        position: Sequence[float] = spec.position
        orientation: Sequence[float] = spec.orientation
        joint = spec.joint
        pose = self._bullet.pose(body) if body is not None else None
        # The engine rounds a quaternion that it takes: what has not moved is where it was put, to the bit.
        if body is not None and pose is not None and pose != self._put[body]:
            position, orientation = pose
        if body in self._fixtures:
            moving, _, travel = self._fixtures[body]
            found = float(self._bullet.joint_positions(body, [moving])[0])
            joint = spec.joint if found == (spec.joint or 0.0) * travel else found / travel
        return {
            "name": spec.name,
            "shape": spec.shape,
            "color": spec.color,
            "size": spec.size,
            "symbol": spec.symbol,
            "position": list(position),
            "orientation": list(orientation),
            "joint": joint,
            "visible": seen,
        }
