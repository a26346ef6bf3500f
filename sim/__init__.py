"""A robot arm at a table: gymnasium environments with instructions, scripted experts and known truth.

Importing this package registers the environments; `gymnasium.make("sim:vla/Reach-v0")` imports it by itself.
"""

import gymnasium

from sim.errors import SimError

# Task name -> gymnasium id.
TASKS: dict[str, str] = {
    "reach": "vla/Reach-v0",
    "push": "vla/Push-v0",
    "pick_up": "vla/PickUp-v0",
    "place_in_bowl": "vla/PlaceInBowl-v0",
}
MAX_EPISODE_STEPS = 60  # 12 s; experts need 10 to 30

for _task, _id in TASKS.items():
    gymnasium.register(
        id=_id, entry_point="sim.env:TabletopEnv", kwargs={"task": _task}, max_episode_steps=MAX_EPISODE_STEPS
    )

__all__ = ["MAX_EPISODE_STEPS", "TASKS", "SimError"]
