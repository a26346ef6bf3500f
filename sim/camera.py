"""Cameras: where they look from, and the way from a point in the world to a pixel and back.

A place in a picture is (column, row) as a share of its width and height, from the upper left corner. The
software renderer samples a pixel at its lower left corner: the pixel in row r and column c of a picture shows
the place (c / width, (r + 1) / height), as `picture_places` has it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import unknown_name

# The front camera looks from across the table towards the robot, whose left (+y) is right in the picture.
IMAGE_LEFT_IS_POSITIVE_Y = False

CAMERAS = ("front", "wrist", "side")
NEAR, FAR = 0.05, 3.0  # m; nothing nearer or farther is drawn

Shift = tuple[float, float, float]  # m, world frame
NO_SHIFT: Shift = (0.0, 0.0, 0.0)


def picture_places(rows: NDArray, columns: NDArray, height: int, width: int) -> NDArray[np.float64]:
    """Places (column, row) in [0, 1], float64[..., 2], that pixels of a picture show.

    Args:
        rows: any numbers [...], of pixels counted from the top; fractions fall between the pixels.
        columns: the same, from the left.
        height: of the picture, in pixels.
        width: of the picture, in pixels.
    """
    return np.stack(np.broadcast_arrays(columns / width, (rows + 1) / height), axis=-1)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with square pixels.

    `aspect` below is a picture's width over its height. A longer side shows more, never less than a square.

    Args:
        camera_from_world: float64[4, 4]; the camera looks along its -z, its y is up, its x is right.
        fov: full angle of view across the shorter side, in degrees.
    """

    camera_from_world: NDArray[np.float64]
    fov: float

    @property
    def view(self) -> list[float]:
        """camera_from_world as 16 numbers by columns, as OpenGL wants it."""
        columns: list[float] = self.camera_from_world.T.ravel().tolist()
        return columns

    @property
    def eye(self) -> NDArray[np.float64]:
        """float64[3], where the camera is, in metres in the world frame."""
        place: NDArray[np.float64] = -self.camera_from_world[:3, :3].T @ self.camera_from_world[:3, 3]
        return place

    def projection(self, aspect: float = 1.0) -> list[float]:
        """clip_from_camera as 16 numbers by columns."""
        clip_from_camera = np.zeros((4, 4))
        clip_from_camera[[0, 1], [0, 1]] = 1 / self._tangents(aspect)
        clip_from_camera[2, 2] = (FAR + NEAR) / (NEAR - FAR)
        clip_from_camera[2, 3] = 2 * FAR * NEAR / (NEAR - FAR)
        clip_from_camera[3, 2] = -1
        columns: list[float] = clip_from_camera.T.ravel().tolist()
        return columns

    def pixel_from_world(self, point: NDArray[np.float64], aspect: float = 1.0) -> NDArray[np.float64]:
        """Project world points float[..., 3] (m) to (column, row) float64[..., 2], in [0, 1] if in view."""
        point = np.asarray(point, dtype=np.float64)
        local = point @ self.camera_from_world[:3, :3].T + self.camera_from_world[:3, 3]
        scaled = local[..., :2] / (-local[..., 2:] * self._tangents(aspect))
        return np.stack([(1 + scaled[..., 0]) / 2, (1 - scaled[..., 1]) / 2], axis=-1)

    def depth(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance along the camera's axis, float64[...] in m, of world points float[..., 3] (m)."""
        away: NDArray[np.float64] = -(
            np.asarray(point) @ self.camera_from_world[2, :3] + self.camera_from_world[2, 3]
        )
        return away

    def table_from_pixel(
        self, pixel: NDArray[np.float64], height: float = 0.0, aspect: float = 1.0
    ) -> NDArray[np.float64]:
        """Find x, y (m, float64[..., 2]) where the rays through (column, row) in [0, 1] meet z = `height`.

        NaN where a ray never does, above the horizon.
        """
        pixel = np.asarray(pixel, dtype=np.float64)
        return np.stack(self._meet(pixel[..., 0], pixel[..., 1], height, aspect)[:2], axis=-1)

    def plane_from_pixel(self, height: float = 0.0, aspect: float = 1.0) -> NDArray[np.float64]:
        """Homography float64[3, 3] from (column, row, 1) to (x w, y w, w) on the plane z = `height` (m).

        1 / w is the depth along the camera's axis in m; negative above the horizon.
        """
        right, up = self._tangents(aspect)
        across, along, back = self.camera_from_world[:3, :3]
        ray = np.stack([2 * right * across, -2 * up * along, up * along - right * across - back], axis=1)
        eye = self.eye
        w = ray[2] / (height - eye[2])
        return np.stack([eye[0] * w + ray[0], eye[1] * w + ray[1], w])

    def rays(self, height: int, width: int) -> NDArray[np.float64]:
        """Table points that pixels show, x, y float64[height, width, 2] in m; NaN above the horizon."""
        return np.stack(self._meet(*_grid(height, width), 0.0, width / height)[:2], axis=-1)

    def table_depth(self, height: int, width: int) -> NDArray[np.float64]:
        """Depth of the bare table in each pixel, float64[height, width] in m; NaN above the horizon."""
        return self._meet(*_grid(height, width), 0.0, width / height)[2]

    def _tangents(self, aspect: float) -> NDArray[np.float64]:
        """Half the picture's extent at distance 1, to the right and upwards."""
        shorter = np.tan(np.radians(self.fov) / 2)
        return shorter * np.array([max(aspect, 1.0), max(1 / aspect, 1.0)])

    def _meet(
        self, column: NDArray[np.float64], row: NDArray[np.float64], height: float, aspect: float
    ) -> tuple[NDArray[np.float64], ...]:
        """x, y and depth (m) of the points at z = `height` seen at (column, row), whose shapes broadcast."""
        by_column, by_row, constant = self.plane_from_pixel(height, aspect).T
        x, y, w = (by_column[i] * column + (by_row[i] * row + constant[i]) for i in range(3))
        depth = 1 / np.where(w > 0, w, np.nan)
        return x * depth, y * depth, depth


def _grid(height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Columns float64[width] and rows float64[height, 1] in [0, 1] that the pixels of a picture show."""
    return np.arange(width) / width, (np.arange(height) + 1.0)[:, None] / height


def look_at(
    eye: NDArray[np.float64], target: NDArray[np.float64], up: NDArray[np.float64], fov: float
) -> Camera:
    """Camera at `eye` that looks at `target` (m, world frame) with `up` upwards in the picture."""
    backward = (eye - target) / np.linalg.norm(eye - target)
    right = _cross(up, backward)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, _cross(backward, right), backward])
    camera_from_world = np.eye(4)
    camera_from_world[:3, :3] = rotation
    camera_from_world[:3, 3] = -rotation @ eye
    return Camera(camera_from_world, fov)


def _cross(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """numpy.cross of two vectors to the bit, in a twentieth of its time."""
    (a, b, c), (x, y, z) = first.tolist(), second.tolist()
    return np.array([b * z - c * y, c * x - a * z, a * y - b * x])


def front_camera(eye_shift: Shift = NO_SHIFT, target_shift: Shift = NO_SHIFT) -> Camera:
    """Fixed camera above the far edge of the table, steep enough that a pixel names a place on it.

    Args:
        eye_shift: moves the camera, m in the world frame.
        target_shift: moves the point it looks at, m in the world frame.
    """
    # Far away with a long lens: a raised hand then looks little larger than a block below it.
    eye, target = np.array([1.20, 0.0, 1.18]), np.array([0.45, 0.0, 0.03])
    return look_at(eye + eye_shift, target + target_shift, np.array([0.0, 0.0, 1.0]), fov=29.0)


def side_camera(eye_shift: Shift = NO_SHIFT, target_shift: Shift = NO_SHIFT) -> Camera:
    """Fixed camera at the robot's right (-y), whose pictures show what is ahead of the robot at the right.

    Args:
        eye_shift: moves the camera, m in the world frame.
        target_shift: moves the point it looks at, m in the world frame.
    """
    eye, target = np.array([0.50, -0.95, 1.15]), np.array([0.49, 0.0, 0.06])
    return look_at(eye + eye_shift, target + target_shift, np.array([0.0, 0.0, 1.0]), fov=29.0)


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
    """Raise SimError unless every name is a camera."""
    for name in names:
        if name not in CAMERAS:
            raise unknown_name("camera", name, CAMERAS)
