"""A robot arm at a table: gymnasium environments with instructions, scripted experts and known truth.

Importing this package registers the environments; `gymnasium.make("sim:vla/Reach-v0")` imports it by itself.
Tasks of other packages and of `--plugin` come with them, see `sim.plugins`.
"""

import os
from importlib.metadata import entry_points

import gymnasium

from sim.errors import SimError

PLUGIN_GROUP = "vla.tasks"
"""The entry points that packages name their tasks by."""
PLUGIN_FILES = "VLA_PLUGINS"
"""Environment variable with paths of files, so that processes that simulate load them, too."""
# Task name -> gymnasium id.
TASKS: dict[str, str] = {
    "reach": "vla/Reach-v0",
    "push": "vla/Push-v0",
    "push_to_block": "vla/PushToBlock-v0",
    "pick_up": "vla/PickUp-v0",
    "place_in_bowl": "vla/PlaceInBowl-v0",
    "place_on_plate": "vla/PlaceOnPlate-v0",
    "place_on_card": "vla/PlaceOnCard-v0",
    "move_near": "vla/MoveNear-v0",
    "stack": "vla/Stack-v0",
    "knock_over": "vla/KnockOver-v0",
    "place_upright": "vla/PlaceUpright-v0",
    "open_drawer": "vla/OpenDrawer-v0",
    "close_drawer": "vla/CloseDrawer-v0",
    "put_in_drawer": "vla/PutInDrawer-v0",
    "press_button": "vla/PressButton-v0",
    "swap": "vla/Swap-v0",
    "sort_by_color": "vla/SortByColor-v0",
    "stack_three": "vla/StackThree-v0",
}
# Experts need 5 to 30 actions (5 Hz) for one object, and up to 90 for tasks that move several.
MAX_EPISODE_STEPS: dict[str, int] = dict.fromkeys(TASKS, 60) | {
    "swap": 150,
    "sort_by_color": 100,
    "stack_three": 100,
}


def register_task(task: str) -> None:
    """Make a task of TASKS known to gymnasium."""
    gymnasium.register(
        id=TASKS[task],
        entry_point="sim.env:TabletopEnv",
        kwargs={"task": task},
        max_episode_steps=MAX_EPISODE_STEPS[task],
    )


for _task in TASKS:
    register_task(_task)
if os.environ.get(PLUGIN_FILES) or entry_points(group=PLUGIN_GROUP):
    from sim.plugins import load_plugins  # only then: the whole simulator comes with it

    load_plugins()

__all__ = ["MAX_EPISODE_STEPS", "PLUGIN_FILES", "PLUGIN_GROUP", "TASKS", "SimError", "register_task"]
