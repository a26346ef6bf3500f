"""The physics and rendering engine: one pybullet client, and the only file that imports pybullet."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.meshes import steady_normals, steady_obj


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

# Light of every picture. The direction points from the table to the light; coefficients are unitless.
LIGHT_DIRECTION = (0.6, 0.4, 1.6)
LIGHT_AMBIENT = 0.6
LIGHT_DIFFUSE = 0.5
LIGHT_SPECULAR = 0.0


class Bullet:
    """One private physics client. Positions are metres in the world frame, quaternions are xyzw."""

    def __init__(self) -> None:
        self._client: int = pybullet.connect(pybullet.DIRECT)
        self._kw = {"physicsClientId": self._client}
        pybullet.setGravity(0, 0, -9.81, **self._kw)
        pybullet.setPhysicsEngineParameter(
            fixedTimeStep=SUBSTEP_S * SUBSTEPS_PER_STEP,
            numSubSteps=SUBSTEPS_PER_STEP,
            deterministicOverlappingPairs=1,
            **self._kw,
        )

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
        walls: Sequence[tuple[Vector, Vector, Quaternion]],
    ) -> int:
        """Add a static body drawn as a mesh and solid as a set of boxes.

        Args:
            vertices: float64[V, 3] in metres; every triangle has its own three, so that it is shaded flat.
            triangles: int64[T, 3] indices, anticlockwise seen from outside.
            color: red, green, blue, alpha in [0, 1].
            position: of the mesh's origin.
            walls: half extents, centre and orientation of each box, in the mesh's frame.
        Returns:
            The body id.
        """
        corners = vertices[triangles]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        visual = pybullet.createVisualShape(
            pybullet.GEOM_MESH,
            vertices=corners.reshape(-1, 3).tolist(),
            indices=list(range(3 * len(triangles))),
            normals=np.repeat(steady_normals(normals), 3, axis=0).tolist(),
            rgbaColor=color,
            specularColor=[0, 0, 0],
            **self._kw,
        )
        shape = pybullet.createCollisionShapeArray(
            shapeTypes=[pybullet.GEOM_BOX] * len(walls),
            halfExtents=[list(half_extents) for half_extents, _, _ in walls],
            collisionFramePositions=[list(centre) for _, centre, _ in walls],
            collisionFrameOrientations=[list(orientation) for _, _, orientation in walls],
            **self._kw,
        )
        return self._add_body(shape, visual, 0.0, position)

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

    def set_color(self, body: int, color: Vector, link: int = -1) -> None:
        """Repaint one link; red, green, blue, alpha in [0, 1]."""
        pybullet.changeVisualShape(body, link, rgbaColor=color, **self._kw)

    def set_pose(self, body: int, position: Vector, orientation: Quaternion = IDENTITY) -> None:
        """Teleport a body and bring it to rest."""
        pybullet.resetBasePositionAndOrientation(body, position, orientation, **self._kw)
        pybullet.resetBaseVelocity(body, (0, 0, 0), (0, 0, 0), **self._kw)

    def position(self, body: int) -> tuple[float, float, float]:
        """Position of a body's origin, in metres."""
        position: tuple[float, float, float] = pybullet.getBasePositionAndOrientation(body, **self._kw)[0]
        return position

    # Joints

    def joints_and_links(self, body: int) -> tuple[dict[str, int], dict[str, int]]:
        """Indices of a robot's joints and of its links, by name."""
        infos = [
            pybullet.getJointInfo(body, i, **self._kw) for i in range(pybullet.getNumJoints(body, **self._kw))
        ]
        return {info[1].decode(): info[0] for info in infos}, {info[12].decode(): info[0] for info in infos}

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

    def link_pose(self, body: int, link: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """World position and orientation (xyzw) of a link's frame."""
        state = pybullet.getLinkState(body, link, computeForwardKinematics=1, **self._kw)
        return state[4], state[5]

    def inverse_kinematics(
        self, body: int, link: int, position: Vector, orientation: Quaternion
    ) -> tuple[float, ...]:
        """Positions of every movable joint that bring a link's frame to a pose, near the present ones."""
        # With the default of 20 iterations the hand is left tilted by several degrees.
        joints: tuple[float, ...] = pybullet.calculateInverseKinematics(
            body, link, position, orientation, maxNumIterations=200, residualThreshold=1e-4, **self._kw
        )
        return joints

    # Simulation

    def step(self) -> None:
        """Advance the world by SUBSTEPS_PER_STEP substeps."""
        pybullet.stepSimulation(**self._kw)

    def find_contacts(self) -> None:
        """Find the contacts of bodies that were teleported, without advancing time."""
        pybullet.performCollisionDetection(**self._kw)

    def touching_links(self, body: int, other: int) -> set[int]:
        """Links of `body` that touch `other`; the base is link -1."""
        return {contact[3] for contact in pybullet.getContactPoints(body, other, **self._kw)}

    def render(
        self, size: int, view: Vector, projection: Vector, background: tuple[int, int, int]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Draw the world in software, without shadows.

        Args:
            size: width and height in pixels.
            view: 16 numbers, camera_from_world by columns.
            projection: 16 numbers, clip_from_camera by columns.
            background: red, green, blue of pixels where there is no body.
        Returns:
            uint8[size, size, 3] picture and int32[size, size] body ids, -1 where there is none.
        """
        _, _, rgba, _, bodies = pybullet.getCameraImage(
            size,
            size,
            view,
            projection,
            lightDirection=LIGHT_DIRECTION,
            lightAmbientCoeff=LIGHT_AMBIENT,
            lightDiffuseCoeff=LIGHT_DIFFUSE,
            lightSpecularCoeff=LIGHT_SPECULAR,
            shadow=0,
            renderer=pybullet.ER_TINY_RENDERER,
            **self._kw,
        )
        # Pixels are painted whole, as numbers of 32 bits: four times faster than channel by channel.
        paint = np.array([*background, 255], np.uint8).view(np.uint32)
        np.putmask(rgba.view(np.uint32)[..., 0], bodies < 0, paint)
        return np.ascontiguousarray(rgba[..., :3]), bodies


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
