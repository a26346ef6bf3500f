"""The environment: robot, task, scene and cameras joined into a gymnasium.Env."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from sim.bullet import Bullet
from sim.camera import Camera, check_cameras, front_camera, wrist_camera
from sim.errors import SimError, unknown_name
from sim.language import LANGUAGES, instruction, named_objects, unknown_colors_named
from sim.objects import COLORS, ObjectPool
from sim.robots.base import Robot
from sim.robots.panda import CONTROL_HZ, POSITION_SCALE_M, ROTATION_SCALE_RAD, Panda
from sim.scene import START_HEIGHT, WORKSPACE, Layout, Scene, SceneObject
from sim.still import draw_still
from sim.tasks import TASK_CLASSES, Task

Observation = dict[str, Any]

_OPTIONS = ("instruction", "language", "target_color", "goal_color")
_TABLE_HALF_EXTENTS, _TABLE_CENTRE = (0.9, 0.9, 0.05), (0.3, 0.0, -0.05)  # m; its top is z = 0
# The table fills every picture with one colour. Painting it as the background halves the time of drawing.
_TABLE_COLOR = (217, 210, 199)
_VISIBLE_SHARE = 0.0011  # of the picture's pixels: 10 of 96 x 96, an eighth of a block
_IMAGE_SIZES = (16, 1024)  # px


class TabletopEnv(gymnasium.Env[Observation, NDArray[np.float32]]):
    """A Panda at a table with coloured blocks, bowls and zones, and an instruction about one of them.

    Observation: `{"pixels": {camera: uint8[H, W, 3]}, "agent_pos": float32[7]}`; `Panda` describes agent_pos.

    | action | meaning of 1 | unit |
    |---|---|---|
    | 0, 1, 2 | displacement dx, dy, dz of 0.05 in the base frame | m |
    | 3, 4, 5 | rotation droll, dpitch, dyaw of 0.25 about the base's axes | rad |
    | 6 | gripper: -1 closed, +1 open | - |

    Actions are float32[7] in [-1, 1] at 5 Hz. The reward is 1 on success, which ends the episode, and else 0.
    `info` holds `instruction`, `is_success` and `scene`, the truth as plain JSON data (`sim.scene.Scene`).

    Options of `reset`: `instruction` (a text; the colours it names choose the target and the goal), or
    `target_color`, `goal_color` and `language` ("en" or "ja") of an instruction to be drawn.

    Args:
        task: a key of `sim.TASKS`.
        image_size: width and height of the pictures, in pixels.
        cameras: names from `sim.camera.CAMERAS`; the first one decides what is visible.
        render_mode: "rgb_array" or None.
        render_size: width and height of what `render` returns, in pixels.
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
        image_size: int = 96,
        cameras: Sequence[str] = ("front",),
        render_mode: str | None = None,
        render_size: int = 256,
    ) -> None:
        if task not in TASK_CLASSES:
            raise unknown_name("task", task, TASK_CLASSES)
        for size in (image_size, render_size):
            if not _IMAGE_SIZES[0] <= size <= _IMAGE_SIZES[1]:
                raise SimError(f"image size {size} px; allowed: {_IMAGE_SIZES[0]} to {_IMAGE_SIZES[1]}")
        if render_mode not in (None, "rgb_array"):
            raise unknown_name("render mode", render_mode, ["rgb_array"])
        self.cameras = tuple(cameras)
        check_cameras(self.cameras)
        self.image_size = image_size
        self.render_size = render_size
        self.render_mode = render_mode
        self.task: Task = TASK_CLASSES[task]()
        self.task_description = ""
        self._bullet = Bullet()
        self._bullet.add_unseen_box(_TABLE_HALF_EXTENTS, _TABLE_CENTRE)
        self.robot: Robot = Panda(self._bullet)
        self.state_names = self.robot.state_names
        self._pool = ObjectPool(self._bullet)
        self._front = front_camera()
        self._layout = Layout((), "", None)
        self.action_space = spaces.Box(-1.0, 1.0, (7,), np.float32)
        low = np.array([-1.5, -1.5, -1.5, -np.pi, -np.pi, -np.pi, 0.0], dtype=np.float32)
        picture = spaces.Box(0, 255, (image_size, image_size, 3), np.uint8)
        self.observation_space = spaces.Dict(
            {
                "pixels": spaces.Dict(dict.fromkeys(self.cameras, picture)),
                "agent_pos": spaces.Box(low, np.array([*-low[:6], 1.0], dtype=np.float32), dtype=np.float32),
            }
        )

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw a scene, a place for the hand and an instruction.

        Raises:
            SimError: an option is unknown, or an instruction names no colour or one that no object has.
        """
        super().reset(seed=seed)
        rng = self.np_random
        options = dict(options or {})
        target_color, goal_color = self._colors(options)
        single_goal = "instruction" in options and goal_color is None
        layout = self.task.layout(rng, target_color, goal_color, single_goal)
        (x_low, x_high), (y_low, y_high) = WORKSPACE
        hand = rng.uniform((x_low, y_low, START_HEIGHT[0]), (x_high, y_high, START_HEIGHT[1]))
        self._pool.place(layout.objects)
        self.robot.reset(hand)
        self._bullet.find_contacts()
        self._layout = layout
        if "instruction" in options:
            self.task_description = options["instruction"]
        else:
            goal = layout.goal.split()[0] if layout.goal else None
            language = options.get("language", "en")
            self.task_description = instruction(self.task.name, layout.target.split()[0], goal, language, rng)
        return self._observe()

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Carry out one action; the episode ends with success, and is never truncated here."""
        action = np.asarray(action, dtype=np.float32)
        if action.shape != (7,) or not np.isfinite(action).all():
            raise SimError(f"action of shape {action.shape}: {action}; allowed: 7 finite numbers in [-1, 1]")
        self.robot.act(action)
        observation, info = self._observe()
        return observation, float(info["is_success"]), info["is_success"], False, info

    def render(self) -> NDArray[np.uint8] | None:
        """Picture of the first camera, uint8[render_size, render_size, 3]."""
        if self.render_mode is None:
            return None
        return self._render(self.cameras[0], self.render_size)[0]

    def close(self) -> None:
        """Free the physics client; a second call does nothing."""
        self._bullet.close()

    def sample_still(self, rng: np.random.Generator) -> tuple[dict[str, NDArray[np.uint8]], Scene]:
        """Draw a still picture for questions: any objects, any hand, a block sometimes held or in a bowl.

        Nothing is simulated, so it is as fast as rendering; the episode under way is lost.

        Args:
            rng: source of the draw.
        Returns:
            A picture a camera, uint8[image_size, image_size, 3], and the truth about it.
        """
        still = draw_still(rng)
        self._pool.place(still.layout.objects)
        self.robot.reset(np.array(still.hand), still.opening)
        self._bullet.find_contacts()
        self._layout = still.layout
        pixels, visible = self._pictures()
        return pixels, self._scene(TASK_CLASSES[still.task](), "", visible)

    def _colors(self, options: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """Check the options of `reset` and return the colours of target and goal that they ask for."""
        for name in options:
            if name not in _OPTIONS:
                raise unknown_name("reset option", name, _OPTIONS)
        if options.get("language", "en") not in LANGUAGES:
            raise unknown_name("language", options["language"], LANGUAGES)
        target, goal = options.get("target_color"), options.get("goal_color")
        if "instruction" in options:
            text = str(options["instruction"])
            for word in unknown_colors_named(text):
                raise unknown_name("colour", word, COLORS, f"It stands in the instruction {text!r}.")
            target, goal = named_objects(text)
            if target is None:
                raise SimError(f"instruction {text!r} names no colour of a block; known: {', '.join(COLORS)}")
        for color in (target, goal):
            if color is not None and color not in COLORS:
                raise unknown_name("colour", color, COLORS)
        return target, goal if self.task.goal_shape else None

    def _camera(self, name: str) -> Camera:
        return self._front if name == "front" else wrist_camera(*self.robot.hand_pose())

    def _render(self, name: str, size: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        camera = self._camera(name)
        return self._bullet.render(size, camera.view, camera.projection, _TABLE_COLOR)

    def _pictures(self) -> tuple[dict[str, NDArray[np.uint8]], list[bool]]:
        """A picture a camera, and for each object whether the first camera sees it."""
        drawn = {name: self._render(name, self.image_size) for name in self.cameras}
        counts = np.bincount(drawn[self.cameras[0]][1].ravel() + 1, minlength=max(self._pool.bodies) + 2)
        enough = _VISIBLE_SHARE * self.image_size**2
        return {name: picture for name, (picture, _) in drawn.items()}, [
            bool(counts[body + 1] >= enough) for body in self._pool.bodies
        ]

    def _observe(self) -> tuple[Observation, dict[str, Any]]:
        pixels, visible = self._pictures()
        scene = self._scene(self.task, self.task_description, visible)
        info = {"instruction": self.task_description, "is_success": scene["is_success"], "scene": scene}
        return {"pixels": pixels, "agent_pos": self.robot.state()}, info

    def _scene(self, task: Task, text: str, visible: Sequence[bool]) -> Scene:
        """The truth, its lengths rounded to 0.1 mm."""
        state = self.robot.state().tolist()
        objects: list[SceneObject] = []
        holding = None
        for spec, body, seen in zip(self._layout.objects, self._pool.bodies, visible, strict=True):
            position = [round(value, 4) for value in self._bullet.position(body)]
            objects.append(
                {
                    "name": spec.name,
                    "shape": spec.shape,
                    "color": spec.color,
                    "position": position,
                    "visible": seen,
                }
            )
            if spec.shape == "block" and self.robot.holds(body):
                holding = spec.name
        scene: Scene = {
            "task": task.name,
            "instruction": text,
            "target": self._layout.target,
            "goal": self._layout.goal,
            "is_success": False,
            "objects": objects,
            "gripper": {
                "position": [round(value, 4) for value in state[:3]],
                "opening": round(state[6], 3),
                "holding": holding,
            },
        }
        scene["is_success"] = task.is_success(scene)
        return scene
