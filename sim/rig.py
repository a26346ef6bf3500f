"""The cameras of an environment: pictures, what is where in them, and how far away."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import atan2
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sim.bullet import Bullet, Frame
from sim.camera import Camera, side_camera, wrist_camera
from sim.objects import COLORS, SHAPES, ObjectSpec
from sim.robots.base import Robot
from sim.table import Flat, Painting, paint_table
from sim.view import View

MODALITIES = {"rgb": "pixels", "depth": "depth", "segmentation": "segmentation"}
"""What can be asked for, and its key in an observation."""
TABLE_ID, ROBOT_ID, FIRST_OBJECT_ID = 0, 1, 2
"""In a segmentation; the i-th object of a scene is FIRST_OBJECT_ID + i."""
_VISIBLE_SHARE = 0.0011  # of the picture's pixels: 10 of 96 x 96, an eighth of a block
_SAMPLES = 2
"""Of colour along each axis of a pixel, as a real camera's pixel gathers light from all of its square."""


@dataclass(frozen=True)
class Shot:
    """One picture.

    Args:
        fine: what the renderer drew, with the painted table in `rgb`: _SAMPLES times as high and as wide.
        painted: uint8[H, W], segmentation of the table behind it.
        ids: uint8[N], segmentation id of each body; the last entry stands for no body.
    """

    fine: Frame
    painted: NDArray[np.uint8]
    ids: NDArray[np.uint8]

    @cached_property
    def rgb(self) -> NDArray[np.uint8]:
        """uint8[H, W, 3], the mean of each pixel's samples, without which a small thing's shape is ragged."""
        return np.array(Image.fromarray(self.fine.rgb).reduce(_SAMPLES))

    @cached_property
    def depth(self) -> NDArray[np.float32]:
        """float32[H, W], m along the camera's axis."""
        return _one_sample(self.fine.depth())

    @cached_property
    def segmentation(self) -> NDArray[np.uint8]:
        """uint8[H, W] of TABLE_ID, ROBOT_ID or FIRST_OBJECT_ID + i."""
        bodies = _one_sample(self.fine.bodies)
        segmentation = self.ids.take(bodies, mode="wrap")  # -1 is the last; faster than indexing
        np.copyto(segmentation, self.painted, where=bodies < 0)
        return segmentation


def _one_sample(fine: NDArray[Any]) -> NDArray[Any]:
    """The sample at the lower left corner of each pixel (see sim/camera.py) of [H _SAMPLES, W _SAMPLES]."""
    return fine[_SAMPLES - 1 :: _SAMPLES, ::_SAMPLES]


class CameraRig:
    """Draws what the cameras see of the present scene.

    Args:
        bullet: the engine that draws.
        robot: that carries the wrist camera.
    """

    def __init__(self, bullet: Bullet, robot: Robot) -> None:
        self._bullet = bullet
        self._robot = robot
        self.begin(View(), (), ())

    def begin(self, view: View, specs: Sequence[ObjectSpec], bodies: Sequence[int | None]) -> None:
        """Take up a new scene: how it looks, and the body of each object (None where it is flat)."""
        self._view = view
        self._fixed = {
            "front": view.front_camera(),
            "side": side_camera(view.eye_shift, view.target_shift),
        }
        self._flats = [
            Flat(
                index,
                "card" if spec.symbol else "zone",
                spec.position[:2],
                2 * atan2(spec.orientation[2], spec.orientation[3]),
                SHAPES[spec.shape].width,
                COLORS[spec.color][:3] if spec.color in COLORS else (1.0, 1.0, 1.0),
                spec.symbol,
            )
            for index, spec in enumerate(specs)
            if SHAPES[spec.shape].part == "flat"
        ]
        drawn = {body: FIRST_OBJECT_ID + i for i, body in enumerate(bodies) if body is not None}
        drawn[self._robot.body] = ROBOT_ID
        self._ids = np.zeros(max(drawn) + 2, np.uint8)  # the last entry is that of -1, no body
        for body, number in drawn.items():
            self._ids[body] = number
        self._count = len(specs)
        self._paintings: dict[tuple[str, int, int], tuple[Painting, NDArray[np.uint8]]] = {}

    def camera(self, name: str) -> Camera:
        """The camera of that name, as it stands now."""
        return self._fixed[name] if name in self._fixed else wrist_camera(*self._robot.hand_pose())

    def take(self, name: str, height: int, width: int) -> Shot:
        """Draw what a camera sees, in pixels."""
        camera = self.camera(name)
        painting, painted = self._paintings.get((name, height, width)) or self._paint(camera, height, width)
        if name in self._fixed:
            self._paintings[name, height, width] = painting, painted
        size = height * _SAMPLES, width * _SAMPLES
        frame = self._bullet.render(camera, *size, self._view.light, painting.words)
        return Shot(frame, painted, self._ids)

    def _paint(self, camera: Camera, height: int, width: int) -> tuple[Painting, NDArray[np.uint8]]:
        """The table in all samples as a camera sees it, and its segmentation uint8[height, width]."""
        view, size = self._view, (height * _SAMPLES, width * _SAMPLES)
        painting = paint_table(camera, *size, view.background, view.light, self._flats)
        ids = _one_sample(painting.ids)
        return painting, np.where(ids < 0, TABLE_ID, ids + FIRST_OBJECT_ID).astype(np.uint8)

    def visible(self, shot: Shot) -> list[bool]:
        """For each object, whether a picture shows enough of it."""
        segmentation = shot.segmentation
        enough = _VISIBLE_SHARE * segmentation.size
        return [
            bool(np.count_nonzero(segmentation == FIRST_OBJECT_ID + i) >= enough) for i in range(self._count)
        ]
