"""The environment: robot, task, scene and cameras joined into a gymnasium.Env."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from sim.bullet import Bullet
from sim.camera import FAR, check_cameras
from sim.errors import CrowdedError, SimError, unknown_name
from sim.language import (
    LANGUAGES,
    infeasible_instruction,
    instruction,
    parse_instruction,
    reasoning_references,
    unknown_colors_named,
)
from sim.moment import draw_moment
from sim.objects import COLORS
from sim.pool import ObjectPool
from sim.rig import MODALITIES, CameraRig
from sim.robots.base import Robot
from sim.robots.panda import CONTROL_HZ, POSITION_SCALE_M, ROTATION_SCALE_RAD, Panda
from sim.scene import START_HEIGHT, WORKSPACE, Layout, Scene, layout_from_scene
from sim.snapshot import Snapshot, restore_snapshot, take_snapshot
from sim.still import draw_still
from sim.tasks import TASK_CLASSES, Task
from sim.variations import SPLITS, find_split, slots
from sim.view import View, draw_view

Observation = dict[str, Any]

_OPTIONS = ("instruction", "language", "scene")
_IMAGE_SIZES = (16, 1024)  # px
_TABLE_HALF_EXTENTS, _TABLE_CENTRE = (0.9, 0.9, 0.05), (0.3, 0.0, -0.05)  # m; its top is z = 0
_HANDS = 8  # drawn for one that reaches into nothing
_OVERLAP = 0.004  # m, that a posed hand may reach into things
_TRIES = 100  # scenes drawn for one that is not done already, and in which something can be reasoned out


class TabletopEnv(gymnasium.Env[Observation, NDArray[np.float32]]):
    """A Panda at a table with things on it, and an instruction about them.

    Observation: `{"pixels": {camera: uint8[H, W, 3]}, "agent_pos": float32[7]}`; `Panda` describes agent_pos.
    If asked for, also `"depth": {camera: float32[H, W]}` in metres along the camera's axis, and
    `"segmentation": {camera: uint8[H, W]}`: 0 table, 1 robot, 2 + i the i-th of `info["scene"]["objects"]`.
    Without cameras there is agent_pos alone, and nothing is rendered.

    | action | meaning of 1 | unit |
    |---|---|---|
    | 0, 1, 2 | displacement dx, dy, dz of 0.05 in the base frame | m |
    | 3, 4, 5 | rotation droll, dpitch, dyaw of 0.25 about the base's axes | rad |
    | 6 | gripper: -1 closed, +1 open | - |

    Actions are float32[7] in [-1, 1] at 5 Hz. The reward is 1 on success, which ends the episode, and else 0;
    an instruction that cannot be carried out never succeeds. `info` holds `instruction`, `is_success`,
    `scene`, the truth as plain JSON data (`sim.scene.Scene`), and at reset `resampled`, how many scenes were
    thrown away.

    Options of `reset`: `instruction` (a text; what it names stands on the table and plays its part),
    `language` ("en" or "ja") of an instruction to be drawn, `scene` (JSON data as in `info["scene"]`: rebuilt
    exactly).

    Args:
        task: a key of `sim.TASKS`.
        split: a key of `sim.variations.SPLITS`: what scenes, views and instructions are drawn from.
        image_size: of the pictures, in pixels: height and width, or one number for both.
        cameras: names from `sim.camera.CAMERAS`, or none; the first one decides what is visible.
        modalities: from "rgb", "depth" and "segmentation".
        render_mode: "rgb_array" or None.
        render_size: of what `render` returns, as `image_size`.
        renderer: "tiny" (software, the same on every machine), "egl" (a GPU's), or "auto": the faster one.
    """

    metadata = {  # noqa: RUF012 - gymnasium declares it as an instance variable
        "render_modes": ["rgb_array"],
        "render_fps": CONTROL_HZ,
    }
    position_scale = POSITION_SCALE_M
    rotation_scale = ROTATION_SCALE_RAD

    def __init__(
        self,
        task: str = "pick_up",
        split: str = "seen",
        image_size: int | tuple[int, int] = 96,
        cameras: Sequence[str] = ("front",),
        modalities: Sequence[str] = ("rgb",),
        render_mode: str | None = None,
        render_size: int | tuple[int, int] = 256,
        renderer: str = "tiny",
    ) -> None:
        if task not in TASK_CLASSES:
            raise unknown_name("task", task, TASK_CLASSES)
        if not TASK_CLASSES[task].shapes(find_split(split)):
            offered = [name for name, other in SPLITS.items() if TASK_CLASSES[task].shapes(other)]
            raise SimError(f"task {task!r} has no split {split!r}; it has {', '.join(offered)}")
        if render_mode not in (None, "rgb_array"):
            raise unknown_name("render mode", render_mode, ["rgb_array"])
        for modality in modalities:
            if modality not in MODALITIES:
                raise unknown_name("modality", modality, MODALITIES)
        self.cameras = tuple(cameras)
        check_cameras(self.cameras)
        self.modalities = tuple(modalities)
        # The names that LeRobot's evaluation reads.
        self.observation_height, self.observation_width = _height_and_width(image_size)
        self.visualization_height, self.visualization_width = _height_and_width(render_size)
        self.obs_type = "pixels_agent_pos" if self.cameras else "state"
        self.task_description = ""
        self.render_mode = render_mode
        self.task: Task = TASK_CLASSES[task]()
        self.split = split
        self._split = find_split(split)
        self._slots = slots(self._split)
        self._bullet = Bullet(renderer)
        self.renderer = self._bullet.renderer
        self._bullet.add_unseen_box(_TABLE_HALF_EXTENTS, _TABLE_CENTRE)
        self._pool = ObjectPool(self._bullet, self._slots)
        self.robot: Robot = Panda(self._bullet)
        self.state_names = self.robot.state_names
        self._rig = CameraRig(self._bullet, self.robot)
        self._layout = Layout((), "")
        self._view = View()
        self._feasible = True
        self._resampled = 0
        self.action_space = spaces.Box(-1.0, 1.0, (7,), np.float32)
        self.observation_space = self._observation_space()

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw a scene, a place for the hand and an instruction, or rebuild a scene.

        Raises:
            SimError: an option is unknown, an instruction cannot be read, is of another task or names colours
                that no object has, or a scene is malformed or of another task.
        """
        super().reset(seed=seed)
        options = dict(options or {})
        self._check(options)
        if "scene" in options:
            self._rebuild(options["scene"])
        else:
            self._draw(options)
        if "instruction" in options:
            self.task_description = str(options["instruction"])
        observation, info = self._observe()
        return observation, info | {"resampled": self._resampled}

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Carry out one action; the episode ends with success, and is never truncated here."""
        action = np.asarray(action, dtype=np.float32)
        if action.shape != (7,) or not np.isfinite(action).all():
            raise SimError(f"action of shape {action.shape}: {action}; allowed: 7 finite numbers in [-1, 1]")
        self.robot.act(action)
        observation, info = self._observe()
        return observation, float(info["is_success"]), info["is_success"], False, info

    def render(self) -> NDArray[np.uint8] | None:
        """Picture of the first camera (front, if there is none), uint8[H, W, 3]."""
        if self.render_mode is None:
            return None
        camera = self.cameras[0] if self.cameras else "front"
        return self._rig.take(camera, self.visualization_height, self.visualization_width).rgb

    def segmentation(self, camera: str = "front") -> NDArray[np.uint8]:
        """uint8[H, W]: 0 table, 1 robot, 2 + i the i-th of the scene's objects."""
        return self._rig.take(camera, self.observation_height, self.observation_width).segmentation

    def close(self) -> None:
        """Free the physics client; a second call does nothing."""
        self._bullet.close()

    def state(self) -> Snapshot:
        """Everything that the future depends on: physics, motors, episode and random draws."""
        return take_snapshot(self)

    def restore(self, snapshot: Snapshot) -> tuple[Observation, dict[str, Any]]:
        """Go back to a state of an env of the same task and split; what follows is the same to the bit.

        Raises:
            SimError: the state is of another task or split.
        """
        restore_snapshot(self, snapshot)
        return self._observe()

    def sample_still(self, rng: np.random.Generator) -> tuple[dict[str, NDArray[np.uint8]], Scene]:
        """Draw a still picture for questions: any objects, any hand, now and then something held or put.

        Nothing is simulated, so it is as fast as rendering; the episode under way is lost.

        Args:
            rng: source of the draw.
        Returns:
            A picture a camera, uint8[H, W, 3], and the truth about it.
        """
        still = draw_still(rng, self._split, self._slots)
        view = draw_view(rng, self._split.background, self._split.environment)
        self._place(still.layout, view)
        self.robot.reset(np.array(still.hand), still.opening)
        self._bullet.find_contacts()
        self.task_description = ""
        observation, info = self._observe(TASK_CLASSES[still.task]())
        return observation.get("pixels", {}), info["scene"]

    def sample_moment(self, rng: np.random.Generator, language: str) -> tuple[Observation, Scene]:
        """Draw a scene of the task, an instruction in a language, and the hand anywhere: see `sim.moment`.

        Nothing is simulated; the episode under way is lost.

        Args:
            rng: source of the draw.
            language: "en" or "ja".
        Returns:
            What is seen, as `reset` gives it, and the truth about it.
        """
        self.np_random = rng
        for _ in range(_TRIES):
            self._draw({"language": language})
            layout, view = self._layout, self._view
            for _ in range(_HANDS):
                moment = draw_moment(rng, self.task, layout)
                self._place(moment.layout, view)
                self.robot.reset(np.array(moment.hand), moment.opening, moment.yaw)
                self._bullet.find_contacts()
                held = [body for body, name in self._pool.movable() if name == moment.held]
                if self._bullet.overlap(self.robot.body, *held) > _OVERLAP:
                    continue
                observation, info = self._observe()
                if not info["is_success"] and info["scene"]["gripper"]["holding"] == moment.held:
                    return observation, info["scene"]
        raise SimError(f"no moment of task {self.task.name!r} was found; this should not happen")

    def _check(self, options: Mapping[str, Any]) -> None:
        for name in options:
            if name not in _OPTIONS:
                raise unknown_name("reset option", name, _OPTIONS)
        if options.get("language", "en") not in LANGUAGES:
            raise unknown_name("language", options["language"], LANGUAGES)
        text = str(options.get("instruction", ""))
        for word in unknown_colors_named(text):
            raise unknown_name("colour", word, COLORS, f"It stands in the instruction {text!r}.")

    def _draw(self, options: Mapping[str, Any]) -> None:
        """Draw scene and instruction until they make an episode."""
        rng, request = self.np_random, None
        if "instruction" in options:
            request = parse_instruction(str(options["instruction"]))
            if request.target is None and not self.task.fixed_words:
                raise SimError(
                    f"instruction {options['instruction']!r} names no object; known: {', '.join(COLORS)} ..."
                )
        language = options.get("language", self._split.language)
        (x_low, x_high), (y_low, y_high) = WORKSPACE
        for resampled in range(_TRIES):
            try:
                layout = self.task.layout(rng, self._split, self._slots, request)
            except CrowdedError:
                continue
            self._place(layout, draw_view(rng, self._split.background, self._split.environment), resampled)
            hand = rng.uniform((x_low, y_low, START_HEIGHT[0]), (x_high, y_high, START_HEIGHT[1]))
            self.robot.reset(hand)
            self._bullet.find_contacts()
            self._feasible = self._split.feasible
            scene = self._scene(self.task, [True] * len(layout.objects), self.robot.state())
            done = self.task.is_success(scene)
            if not done and (request or self._split.reference == "plain" or reasoning_references(scene)):
                break
        else:
            raise SimError(f"no scene of task {self.task.name!r} was found for {dict(options)}; ask for less")
        if self._split.feasible:
            self.task_description = instruction(
                scene, language, rng, phrasing=self._split.phrasing, reference=self._split.reference
            )
        else:
            self.task_description = infeasible_instruction(scene, language, rng)

    def _rebuild(self, scene: Mapping[str, Any]) -> None:
        """Put everything where a scene has it, at rest."""
        if scene.get("task") != self.task.name:
            raise SimError(
                f"the scene is of task {scene.get('task')!r}; this env is of task {self.task.name!r}"
            )
        layout, view, hand = layout_from_scene(scene)
        self._place(layout, view)
        self.robot.pose(hand.joints, hand.tilt)
        self._bullet.find_contacts()
        self._feasible = bool(scene.get("feasible", True))
        self.task_description = str(scene.get("instruction", ""))

    def _place(self, layout: Layout, view: View, resampled: int = 0) -> None:
        self._layout, self._view, self._resampled = layout, view, layout.resampled + resampled
        self.robot.withdraw()
        self._pool.place(layout.objects)
        self._rig.begin(view, layout.objects, self._pool.bodies)

    def _observe(self, task: Task | None = None) -> tuple[Observation, dict[str, Any]]:
        shots = {
            name: self._rig.take(name, self.observation_height, self.observation_width)
            for name in self.cameras
        }
        visible = self._rig.visible(shots[self.cameras[0]]) if shots else [True] * len(self._layout.objects)
        state = self.robot.state()
        scene = self._scene(task or self.task, visible, state)
        observation: Observation = {"agent_pos": state}
        for key, modality in MODALITIES.items():
            if key in self.modalities and shots:
                observation[modality] = {name: getattr(shot, key) for name, shot in shots.items()}
        info = {"instruction": self.task_description, "is_success": scene["is_success"], "scene": scene}
        return observation, info

    def _scene(self, task: Task, visible: Sequence[bool], agent_pos: NDArray[np.float32]) -> Scene:
        state = agent_pos.tolist()
        held = (name for body, name in self._pool.movable() if self.robot.holds(body))
        scene: Scene = {
            "task": task.name,
            "split": self.split,
            "instruction": self.task_description,
            "feasible": self._feasible,
            "is_success": False,
            "target": self._layout.target,
            "goal": self._layout.goal,
            "third": self._layout.third,
            "marks": {name: list(place) for name, place in self._layout.marks.items()},
            "objects": self._pool.truth(visible),
            "gripper": {
                "position": state[:3],
                "opening": state[6],
                "holding": next(held, None),
                "joints": self.robot.joints(),
                "tilt": list(self.robot.tilt),
            },
            "view": self._view.as_dict(),
        }
        scene["is_success"] = self._feasible and task.is_success(scene)
        return scene

    def _observation_space(self) -> spaces.Dict:
        low = np.array([-1.5, -1.5, -1.5, -np.pi, -np.pi, -np.pi, 0.0], dtype=np.float32)
        high = np.array([*-low[:6], 1.0], dtype=np.float32)
        parts: dict[str, spaces.Space[Any]] = {"agent_pos": spaces.Box(low, high, dtype=np.float32)}
        shape = (self.observation_height, self.observation_width)
        kinds: dict[str, spaces.Space[Any]] = {
            "rgb": spaces.Box(0, 255, (*shape, 3), np.uint8),
            "depth": spaces.Box(0.0, FAR, shape, np.float32),
            "segmentation": spaces.Box(0, 255, shape, np.uint8),
        }
        for key, modality in MODALITIES.items():
            if key in self.modalities and self.cameras:
                parts[modality] = spaces.Dict(dict.fromkeys(self.cameras, kinds[key]))
        return spaces.Dict(parts)


def _height_and_width(size: int | tuple[int, int]) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    for pixels in (height, width):
        if not _IMAGE_SIZES[0] <= pixels <= _IMAGE_SIZES[1]:
            raise SimError(f"image size {size} px; allowed: {_IMAGE_SIZES[0]} to {_IMAGE_SIZES[1]}")
    return int(height), int(width)
