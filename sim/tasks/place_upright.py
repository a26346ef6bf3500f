"""Place upright: stand a lying bottle up."""

import math
from dataclasses import replace
from typing import ClassVar

import numpy as np

from sim.bullet import quaternion_from_rpy
from sim.layout import MAX_YAW
from sim.objects import ObjectSpec, width_of
from sim.scene import Scene, find
from sim.tasks.base import Task
from sim.tasks.conditions import UPRIGHT_RAD, is_on_table, is_released, tilt
from sim.variations import Split


class PlaceUpright(Task):
    """Done when the bottle stands on the table, released: "place the red bottle upright"."""

    name: ClassVar[str] = "place_upright"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (("bottle",),)
    any_target: ClassVar[bool] = False  # only the first bottle lies

    def finish(self, rng: np.random.Generator, specs: list[ObjectSpec], split: Split) -> list[ObjectSpec]:
        """Lay the target down, its stopper towards or away from the camera, as the fingers can take it."""
        target = specs[0]
        x, y, _ = target.position
        turn = math.pi / 2 if rng.random() < 0.5 else -math.pi / 2
        qx, qy, qz, qw = quaternion_from_rpy((0.0, turn, float(rng.uniform(-MAX_YAW, MAX_YAW))))
        lying = replace(
            target, position=(x, y, width_of(target.shape, target.size) / 2), orientation=(qx, qy, qz, qw)
        )
        return [lying, *specs[1:]]

    def is_success(self, scene: Scene) -> bool:
        """Whether the target stands on the table, released."""
        target = find(scene, scene["target"])
        stands = tilt(target) < UPRIGHT_RAD and is_on_table(target)
        return stands and is_released(scene, target)
