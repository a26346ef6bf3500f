"""Sort by colour: put each of two blocks into the bowl of its own colour."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from sim.objects import ObjectSpec
from sim.scene import Scene, SceneObject
from sim.tasks.base import Task
from sim.tasks.conditions import is_inside_bowl, is_released
from sim.variations import Split


class SortByColor(Task):
    """Done when each block lies in the bowl of its colour: "put each block in the bowl of its colour"."""

    name: ClassVar[str] = "sort_by_color"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (("block",), ("bowl",), ("block",), ("bowl",))
    any_target: ClassVar[bool] = False
    fixed_words: ClassVar[bool] = True
    lifts: ClassVar[bool] = True

    def finish(self, rng: np.random.Generator, specs: list[ObjectSpec], split: Split) -> list[ObjectSpec]:
        """Give the bowls the colours of the blocks; no other block stands there."""
        free = split.colors_of("bowl")
        colors: list[str] = []
        for allowed in (split.target_colors_of("block"), split.colors_of("block")):
            fitting = [color for color in free if color in allowed and color not in colors]
            colors.append(fitting[int(rng.integers(len(fitting)))])
        painted = [replace(spec, color=colors[i // 2]) for i, spec in enumerate(specs[:4])]
        return painted + [spec for spec in specs[4:] if spec.shape not in ("block", "bowl")]

    def is_success(self, scene: Scene) -> bool:
        """Whether every block lies in the bowl of its colour, released."""
        return all(is_sorted(scene, block) for block, _ in pairs(scene))


def pairs(scene: Scene) -> list[tuple[SceneObject, SceneObject]]:
    """Each block with the bowl of its colour, the target first."""
    bowls = {item["color"]: item for item in scene["objects"] if item["shape"] == "bowl"}
    blocks = [item for item in scene["objects"] if item["shape"] == "block"]
    blocks.sort(key=lambda item: item["name"] != scene["target"])
    return [(block, bowls[block["color"]]) for block in blocks]


def is_sorted(scene: Scene, block: SceneObject) -> bool:
    """Whether a block lies in the bowl of its colour, released."""
    bowl = next(bowl for other, bowl in pairs(scene) if other["name"] == block["name"])
    return is_released(scene, block) and is_inside_bowl(block, bowl)
