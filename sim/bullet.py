"""The physics and rendering engine: one pybullet client, and the only file that imports pybullet."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from timeit import default_timer
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.camera import FAR, NEAR, Camera, front_camera
from sim.errors import SimError, unknown_name
from sim.meshes import sphere, steady_normals, steady_obj
from sim.view import Light


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Send file descriptor 2 to nowhere, for messages that C code writes past Python."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with _silent_stderr():  # pybullet announces its build date when imported
    import pybullet
    import pybullet_data

Vector = Sequence[float]
Quaternion = Sequence[float]

SUBSTEP_S = 1 / 240  # pybullet's own default; larger steps let the fingers sink into a block
SUBSTEPS_PER_STEP = 4  # one call from Python runs this many substeps with the same motor targets
IDENTITY: Quaternion = (0.0, 0.0, 0.0, 1.0)

RENDERERS = ("tiny", "egl", "auto")


class Box(NamedTuple):
    """A solid box: half its extents and its place in the body's frame, in m and as a quaternion xyzw."""

    half_extents: Vector
    centre: Vector = (0.0, 0.0, 0.0)
    orientation: Quaternion = IDENTITY


class Cylinder(NamedTuple):
    """A solid cylinder about its own z: radius, whole height and its place in the body's frame."""

    radius: float
    height: float
    centre: Vector = (0.0, 0.0, 0.0)
    orientation: Quaternion = IDENTITY


class Sphere(NamedTuple):
    """A solid ball: radius and its place in the body's frame."""

    radius: float
    centre: Vector = (0.0, 0.0, 0.0)
    orientation: Quaternion = IDENTITY


@dataclass(frozen=True)
class Frame:
    """What was drawn.

    Args:
        rgb: uint8[H, W, 3].
        bodies: int32[H, W] body ids, -1 where there is none.
        buffer: float32[H, W], OpenGL's depth buffer.
        camera: that drew it.
    """

    rgb: NDArray[np.uint8]
    bodies: NDArray[np.int32]
    buffer: NDArray[np.float32]
    camera: Camera

    def depth(self) -> NDArray[np.float32]:
        """Distance along the camera's axis in m, float32[H, W].

        Where there is no body it is the table's; 0 above the horizon, and FAR at most.
        """
        depth = np.float32(FAR * NEAR) / (np.float32(FAR) - np.float32(FAR - NEAR) * self.buffer)
        table = np.nan_to_num(self.camera.table_depth(*self.bodies.shape))
        np.copyto(depth, table, where=self.bodies < 0, casting="same_kind")
        return depth.clip(0.0, FAR)


class Bullet:
    """One private physics client. Positions are metres in the world frame, quaternions are xyzw.

    Args:
        renderer: tiny draws in software, the same on every machine; egl on a graphics card; auto takes
            the faster one.

    Raises:
        SimError: the renderer is unknown, or cannot be loaded here.
    """

    def __init__(self, renderer: str = "tiny") -> None:
        if renderer not in RENDERERS:
            raise unknown_name("renderer", renderer, RENDERERS)
        self.renderer = fastest_renderer() if renderer == "auto" else renderer
        self._client: int = pybullet.connect(pybullet.DIRECT)
        self._kw = {"physicsClientId": self._client}
        # pybullet's own search for near bodies remembers, over all resets, in which order it met them, and
        # the last bits of the physics with it. Among some dozen bodies the simple one is as fast.
        pybullet.resetSimulation(pybullet.RESET_USE_SIMPLE_BROADPHASE, **self._kw)
        pybullet.setGravity(0, 0, -9.81, **self._kw)
        pybullet.setPhysicsEngineParameter(
            fixedTimeStep=SUBSTEP_S * SUBSTEPS_PER_STEP,
            numSubSteps=SUBSTEPS_PER_STEP,
            deterministicOverlappingPairs=1,
            **self._kw,
        )
        self._draw_with = pybullet.ER_TINY_RENDERER
        if self.renderer == "egl":
            self._draw_with = pybullet.ER_BULLET_HARDWARE_OPENGL
            spec = find_spec("eglRenderer")
            with _silent_stderr():
                loaded = spec and pybullet.loadPlugin(spec.origin, "_eglRendererPlugin", **self._kw) >= 0
            if not loaded:
                self.close()
                raise SimError("renderer 'egl' cannot be loaded on this machine; use 'tiny' or 'auto'")

    def close(self) -> None:
        """Free the client; a second call does nothing."""
        if self._client >= 0:
            pybullet.disconnect(**self._kw)
            self._client = -1

    # Bodies

    def load_urdf(self, path: Path) -> int:
        """Load a robot with its base fixed at the origin and return its body id.

        `{meshes}` in the file stands for pybullet's own data folder.
        """
        description = path.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            for name in set(re.findall(r'"{meshes}/([^"]+)"', description)):
                copy = Path(folder) / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_text(steady_obj(Path(pybullet_data.getDataPath()) / name), encoding="utf-8")
            robot = Path(folder) / path.name
            robot.write_text(description.replace("{meshes}/", ""), encoding="utf-8")
            body: int = pybullet.loadURDF(str(robot), useFixedBase=True, **self._kw)
        return body

    def add_box(
        self, half_extents: Vector, color: Vector, position: Vector, mass: float, solid: bool = True
    ) -> int:
        """Add a box (mass in kg, 0 for a static one; not `solid`: drawn only) and return its body id."""
        visual = pybullet.createVisualShape(
            pybullet.GEOM_BOX, halfExtents=half_extents, rgbaColor=color, specularColor=[0, 0, 0], **self._kw
        )
        shape = (
            pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=half_extents, **self._kw)
            if solid
            else -1
        )
        return self._add_body(shape, visual, mass, position)

    def add_unseen_box(self, half_extents: Vector, position: Vector) -> int:
        """Add a static box that is solid and not drawn, and return its body id."""
        shape = pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=half_extents, **self._kw)
        # Without a visual shape the collision shape is drawn, so it gets a grain of dust far below.
        visual = pybullet.createVisualShape(
            pybullet.GEOM_BOX, halfExtents=[1e-3] * 3, visualFramePosition=[0, 0, -10], **self._kw
        )
        return self._add_body(shape, visual, 0.0, position)

    def add_mesh(
        self,
        vertices: NDArray[np.float64],
        triangles: NDArray[np.int64],
        color: Vector,
        position: Vector,
        solid: Sequence[Box | Cylinder | Sphere] | NDArray[np.float64],
        mass: float = 0.0,
    ) -> int:
        """Add a body drawn as a mesh of flat faces and solid as simple parts.

        Args:
            vertices: float64[V, 3] in metres; the origin of a body that moves is its centre of mass.
            triangles: int64[T, 3] indices, anticlockwise seen from outside.
            color: red, green, blue, alpha in [0, 1].
            position: of the mesh's origin.
            solid: parts that make it solid together, or float64[N, 3] points (m), whose convex hull does.
            mass: in kg, 0 for a static body. pybullet finds the inertia from the solid parts.
        Returns:
            The body id.
        """
        corners = vertices[triangles]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        if isinstance(solid, np.ndarray):
            shape = pybullet.createCollisionShape(pybullet.GEOM_MESH, vertices=solid.tolist(), **self._kw)
        else:
            shape = self._add_parts(solid)
        with tempfile.TemporaryDirectory() as folder:  # a file is read when the body is made
            look = self._mesh_look(corners, np.repeat(steady_normals(normals), 3, axis=0), Path(folder))
            visual = pybullet.createVisualShape(
                pybullet.GEOM_MESH, rgbaColor=color, specularColor=[0, 0, 0], **look, **self._kw
            )
            return self._add_body(shape, visual, mass, position)

    def _mesh_look(
        self, corners: NDArray[np.float64], normals: NDArray[np.float32], folder: Path
    ) -> dict[str, Any]:
        """Arguments that hand a mesh to the renderer: corners float64[T, 3, 3], normals float32[3 T, 3]."""
        # Every triangle has three corners of its own, to be shaded flat.
        points = corners.reshape(-1, 3).tolist()
        if self.renderer == "tiny":
            return {"vertices": points, "indices": list(range(len(points))), "normals": normals.tolist()}
        # EGL draws meshes from files only.
        lines = [f"v {x} {y} {z}" for x, y, z in points]
        lines += [f"vn {x} {y} {z}" for x, y, z in normals.tolist()]
        lines += [f"f {i}//{i} {i + 1}//{i + 1} {i + 2}//{i + 2}" for i in range(1, len(points), 3)]
        (folder / "mesh.obj").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return {"fileName": str(folder / "mesh.obj")}

    def _add_parts(self, parts: Sequence[Box | Cylinder | Sphere]) -> int:
        """Join parts to one collision shape."""
        kinds = {Cylinder: pybullet.GEOM_CYLINDER, Sphere: pybullet.GEOM_SPHERE}
        shape: int = pybullet.createCollisionShapeArray(
            shapeTypes=[kinds.get(type(part), pybullet.GEOM_BOX) for part in parts],
            # One entry a part in each list; those of other kinds of part are not read.
            halfExtents=[
                [0.0] * 3 if isinstance(part, Cylinder | Sphere) else list(part[0]) for part in parts
            ],
            radii=[part.radius if isinstance(part, Cylinder | Sphere) else 0.0 for part in parts],
            lengths=[part.height if isinstance(part, Cylinder) else 0.0 for part in parts],
            collisionFramePositions=[list(part[-2]) for part in parts],
            collisionFrameOrientations=[list(part[-1]) for part in parts],
            **self._kw,
        )
        return shape

    def _add_body(self, shape: int, visual: int, mass: float, position: Vector) -> int:
        body: int = pybullet.createMultiBody(
            baseMass=mass,
            baseCollisionShapeIndex=shape,
            baseVisualShapeIndex=visual,
            basePosition=position,
            **self._kw,
        )
        return body

    def set_friction(self, body: int, link: int, lateral: float, spinning: float) -> None:
        """Set the friction coefficients (unitless) of one link; the base is link -1."""
        pybullet.changeDynamics(body, link, lateralFriction=lateral, spinningFriction=spinning, **self._kw)

    def set_rolling_friction(self, body: int, rolling: float) -> None:
        """Set the rolling friction (m) of a body's base."""
        pybullet.changeDynamics(body, -1, rollingFriction=rolling, **self._kw)

    def set_color(self, body: int, color: Vector, link: int = -1) -> None:
        """Repaint one link; red, green, blue, alpha in [0, 1]."""
        pybullet.changeVisualShape(body, link, rgbaColor=color, **self._kw)

    def set_drawn(self, body: int, drawn: bool) -> None:
        """Draw a body from now on, or no longer: unless hidden, bodies out of sight cost time, too."""
        shapes = pybullet.getVisualShapeData(body, **self._kw)
        links = [shape[1] for shape in shapes]
        for i, shape in enumerate(shapes):
            # The renderer leaves out what is wholly transparent.
            color = (*shape[7][:3], float(drawn))
            index = links[:i].count(shape[1])  # of the shape among those of its link
            pybullet.changeVisualShape(body, shape[1], shapeIndex=index, rgbaColor=color, **self._kw)

    def set_pose(self, body: int, position: Vector, orientation: Quaternion = IDENTITY) -> None:
        """Teleport a body and bring it to rest."""
        pybullet.resetBasePositionAndOrientation(body, position, orientation, **self._kw)
        pybullet.resetBaseVelocity(body, (0, 0, 0), (0, 0, 0), **self._kw)

    def pose(self, body: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Position (m) and orientation (xyzw) of a body's origin."""
        position, orientation = pybullet.getBasePositionAndOrientation(body, **self._kw)
        return position, orientation

    # Joints

    def joints_and_links(self, body: int) -> tuple[dict[str, int], dict[str, int]]:
        """Indices of a robot's joints and of its links, by name."""
        infos = [
            pybullet.getJointInfo(body, i, **self._kw) for i in range(pybullet.getNumJoints(body, **self._kw))
        ]
        return {info[1].decode(): info[0] for info in infos}, {info[12].decode(): info[0] for info in infos}

    def joint_limit(self, body: int, joint: int) -> float:
        """Upper limit of a joint, radians or metres."""
        limit: float = pybullet.getJointInfo(body, joint, **self._kw)[9]
        return limit

    def set_joints(self, body: int, joints: Sequence[int], positions: Vector) -> None:
        """Teleport joints (radians or metres) and bring them to rest."""
        for joint, position in zip(joints, positions, strict=True):
            pybullet.resetJointState(body, joint, position, 0.0, **self._kw)

    def joint_positions(self, body: int, joints: Sequence[int]) -> NDArray[np.float64]:
        """Joint positions, float64[len(joints)], radians or metres."""
        return np.array([state[0] for state in pybullet.getJointStates(body, joints, **self._kw)])

    def drive(self, body: int, joints: Sequence[int], targets: Vector, forces: Vector, gains: Vector) -> None:
        """Set the position targets of joint motors (radians or metres; forces in N m or N)."""
        pybullet.setJointMotorControlArray(
            body,
            joints,
            pybullet.POSITION_CONTROL,
            targetPositions=targets,
            forces=forces,
            positionGains=gains,
            **self._kw,
        )

    def brake(self, body: int, joint: int, force: float) -> None:
        """Let a joint resist all motion with up to `force` (N m or N)."""
        pybullet.setJointMotorControl2(
            body, joint, pybullet.VELOCITY_CONTROL, targetVelocity=0.0, force=force, **self._kw
        )

    def couple(self, body: int, first: int, second: int, force: float) -> None:
        """Make two joints of a body move as one, with up to `force` (N m or N)."""
        gear = pybullet.createConstraint(
            body, first, body, second, pybullet.JOINT_GEAR, (1, 0, 0), (0, 0, 0), (0, 0, 0), **self._kw
        )
        pybullet.changeConstraint(gear, gearRatio=-1, erp=0.1, maxForce=force, **self._kw)

    def link_pose(self, body: int, link: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """World position and orientation (xyzw) of a link's frame."""
        state = pybullet.getLinkState(body, link, computeForwardKinematics=1, **self._kw)
        return state[4], state[5]

    def inverse_kinematics(
        self, body: int, link: int, position: Vector, orientation: Quaternion
    ) -> tuple[float, ...]:
        """Positions of every movable joint that bring a link's frame to a pose, near the present ones."""
        # A tenth of the default damping comes in 25 iterations as near as that in 200. With far less, the arm
        # strains for what is out of its reach, and gets stuck at the limits of its joints.
        joints: tuple[float, ...] = pybullet.calculateInverseKinematics(
            body,
            link,
            position,
            orientation,
            jointDamping=[0.05] * pybullet.computeDofCount(body, **self._kw),
            maxNumIterations=25,
            residualThreshold=1e-4,
            **self._kw,
        )
        return joints

    # Simulation

    def step(self) -> None:
        """Advance the world by SUBSTEPS_PER_STEP substeps."""
        pybullet.stepSimulation(**self._kw)

    def save(self) -> bytes:
        """Poses, velocities and contacts of all bodies, in the engine's own format."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "world.bullet"
            pybullet.saveBullet(str(path), **self._kw)
            return path.read_bytes()

    def load(self, record: bytes) -> None:
        """Bring the same bodies into the state that `save` recorded; motors keep their targets."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "world.bullet"
            path.write_bytes(record)
            pybullet.restoreState(fileName=str(path), **self._kw)

    def find_contacts(self) -> None:
        """Find the contacts of bodies that were teleported, without advancing time."""
        pybullet.performCollisionDetection(**self._kw)

    def touching_links(self, body: int, other: int) -> set[int]:
        """Links of `body` that touch `other`; the base is link -1."""
        return {contact[3] for contact in pybullet.getContactPoints(body, other, **self._kw)}

    def overlap(self, body: int, spared: int | None = None) -> float:
        """How deep (m) a body reaches into others, one of them spared, at the contacts found last."""
        contacts = pybullet.getContactPoints(body, **self._kw)
        return -min((contact[8] for contact in contacts if contact[2] not in (body, spared)), default=0.0)

    def render(
        self,
        camera: Camera,
        height: int,
        width: int,
        light: Light,
        table: NDArray[np.uint32] | None = None,
    ) -> Frame:
        """Draw the world, without shadows.

        Args:
            camera: that looks at it.
            height: of the picture, in pixels.
            width: of the picture, in pixels.
            light: that falls on it.
            table: uint32[height, width], `sim.table.Painting.words` to fill pixels without a body; without it
                they are of no particular colour.
        """
        projection = camera.projection(width / height)
        if self.renderer == "egl":  # samples pixels in their middle: see sim/camera.py
            projection[8] -= 1 / width
            projection[9] -= 1 / height
        _, _, rgba, buffer, bodies = pybullet.getCameraImage(
            width,
            height,
            camera.view,
            projection,
            lightDirection=light.direction,
            lightColor=light.color,
            lightAmbientCoeff=light.ambient,
            lightDiffuseCoeff=light.diffuse,
            lightSpecularCoeff=0.0,
            shadow=0,
            renderer=self._draw_with,
            **self._kw,
        )
        if table is not None:
            # Pixels are painted whole, as numbers of 32 bits: four times faster than channel by channel.
            np.copyto(rgba.view(np.uint32)[..., 0], table, where=bodies < 0)
        return Frame(np.ascontiguousarray(rgba[..., :3]), bodies, buffer, camera)


@cache
def fastest_renderer() -> str:
    """The faster renderer on this machine: egl if a real graphics card draws a few balls faster than tiny.

    Without a card EGL draws in software, slower than tiny.
    """
    if not (Path("/dev/nvidia0").exists() or Path("/proc/driver/nvidia").exists()):
        return "tiny"
    # In a process of its own: where EGL's libraries are missing, the plugin ends its process.
    code = "from sim.bullet import time_renderer; print(time_renderer('egl') < time_renderer('tiny'))"
    trial = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    return "egl" if trial.returncode == 0 and "True" in trial.stdout.split() else "tiny"


def time_renderer(name: str) -> float:
    """Seconds that a renderer takes for a few pictures of a few balls."""
    bullet = Bullet(name)
    for i in range(6):
        bullet.add_mesh(*sphere(0.03), (1, 0, 0, 1), (0.5, 0.1 * i - 0.3, 0.05), [Sphere(0.03)])
    bullet.render(front_camera(), 128, 128, Light())  # the first one takes longer
    start = default_timer()
    for _ in range(5):
        bullet.render(front_camera(), 128, 128, Light())
    seconds = default_timer() - start
    bullet.close()
    return seconds


def quaternion_from_rpy(rpy: Vector) -> tuple[float, ...]:
    """Quaternion (xyzw) of a rotation by roll, then pitch, then yaw about fixed axes, in radians."""
    quaternion: tuple[float, ...] = pybullet.getQuaternionFromEuler(rpy)
    return quaternion


def rpy_from_quaternion(quaternion: Quaternion) -> tuple[float, ...]:
    """Roll, pitch and yaw in radians of a quaternion (xyzw)."""
    rpy: tuple[float, ...] = pybullet.getEulerFromQuaternion(quaternion)
    return rpy


def rotate(first: Quaternion, second: Quaternion) -> tuple[float, ...]:
    """Quaternion product: the rotation `second` followed by `first`."""
    return tuple(pybullet.multiplyTransforms((0, 0, 0), first, (0, 0, 0), second)[1])
