"""Tasks: base.py says what one is, and each other file is one task."""

from sim.tasks.base import Task
from sim.tasks.pick_up import PickUp
from sim.tasks.place_in_bowl import PlaceInBowl
from sim.tasks.push import Push
from sim.tasks.reach import Reach

TASK_CLASSES: dict[str, type[Task]] = {task.name: task for task in (Reach, Push, PickUp, PlaceInBowl)}

__all__ = ["TASK_CLASSES", "PickUp", "PlaceInBowl", "Push", "Reach", "Task"]
