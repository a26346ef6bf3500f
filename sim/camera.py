"""Cameras: where they look from, and the way from a point in the world to a pixel and back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import unknown_name

# The front camera looks from across the table towards the robot, whose left (+y) is right in the picture.
IMAGE_LEFT_IS_POSITIVE_Y = False

CAMERAS = ("front", "wrist")
_NEAR, _FAR = 0.05, 3.0  # m


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with square pixels.

    Args:
        camera_from_world: float64[4, 4]; the camera looks along its -z, its y is up, its x is right.
        fov: full angle of view, vertical and horizontal, in degrees.
    """

    camera_from_world: NDArray[np.float64]
    fov: float

    @property
    def view(self) -> list[float]:
        """camera_from_world as 16 numbers by columns, as OpenGL wants it."""
        columns: list[float] = self.camera_from_world.T.ravel().tolist()
        return columns

    @property
    def projection(self) -> list[float]:
        """clip_from_camera as 16 numbers by columns."""
        focal = 1 / np.tan(np.radians(self.fov) / 2)
        clip_from_camera = np.zeros((4, 4))
        clip_from_camera[0, 0] = clip_from_camera[1, 1] = focal
        clip_from_camera[2, 2] = (_FAR + _NEAR) / (_NEAR - _FAR)
        clip_from_camera[2, 3] = 2 * _FAR * _NEAR / (_NEAR - _FAR)
        clip_from_camera[3, 2] = -1
        columns: list[float] = clip_from_camera.T.ravel().tolist()
        return columns

    def pixel_from_world(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Project world points float[..., 3] (m) to (column, row) float64[..., 2], in [0, 1] if in view."""
        point = np.asarray(point, dtype=np.float64)
        local = point @ self.camera_from_world[:3, :3].T + self.camera_from_world[:3, 3]
        scaled = local[..., :2] / (-local[..., 2:] * np.tan(np.radians(self.fov) / 2))
        return np.stack([(1 + scaled[..., 0]) / 2, (1 - scaled[..., 1]) / 2], axis=-1)

    def table_from_pixel(self, pixel: NDArray[np.float64], height: float = 0.0) -> NDArray[np.float64]:
        """Find x, y (m, float64[..., 2]) where the rays through (column, row) in [0, 1] meet z = `height`."""
        pixel = np.asarray(pixel, dtype=np.float64)
        tangent = np.tan(np.radians(self.fov) / 2)
        local = np.stack(
            [
                (2 * pixel[..., 0] - 1) * tangent,
                (1 - 2 * pixel[..., 1]) * tangent,
                -np.ones(pixel.shape[:-1]),
            ],
            axis=-1,
        )
        world_from_camera = self.camera_from_world[:3, :3].T
        origin = -world_from_camera @ self.camera_from_world[:3, 3]
        ray = local @ world_from_camera.T
        distance = (height - origin[2]) / ray[..., 2:]
        return (origin + distance * ray)[..., :2]


def look_at(
    eye: NDArray[np.float64], target: NDArray[np.float64], up: NDArray[np.float64], fov: float
) -> Camera:
    """Camera at `eye` that looks at `target` (m, world frame) with `up` upwards in the picture."""
    backward = (eye - target) / np.linalg.norm(eye - target)
    right = np.cross(up, backward)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(backward, right), backward])
    camera_from_world = np.eye(4)
    camera_from_world[:3, :3] = rotation
    camera_from_world[:3, 3] = -rotation @ eye
    return Camera(camera_from_world, fov)


def front_camera() -> Camera:
    """Fixed camera above the far edge of the table, steep enough that a pixel names a place on it."""
    # Far away with a long lens: a raised hand then looks little larger than a block below it.
    return look_at(
        np.array([1.20, 0.0, 1.18]), np.array([0.45, 0.0, 0.03]), np.array([0.0, 0.0, 1.0]), fov=29.0
    )


def wrist_camera(position: NDArray[np.float64], rotation: NDArray[np.float64]) -> Camera:
    """Camera on the hand, looking past the fingers.

    Args:
        position: float64[3], the point between the fingertips, in metres.
        rotation: float64[3, 3], world_from_hand; the hand's z points out through the fingers.
    """
    eye = position + rotation @ np.array([0.10, 0.0, -0.08])
    target = position + rotation @ np.array([0.01, 0.0, 0.02])
    return look_at(eye, target, rotation @ np.array([1.0, 0.0, 0.0]), fov=75.0)


def check_cameras(names: tuple[str, ...]) -> None:
    """Raise SimError unless every name is a camera and there is at least one."""
    if not names:
        raise unknown_name("camera", "", CAMERAS, "An environment needs at least one camera.")
    for name in names:
        if name not in CAMERAS:
            raise unknown_name("camera", name, CAMERAS)
