"""Tasks: base.py says what one is, and each other file with a class in it is one task."""

from sim.tasks.base import Task
from sim.tasks.close_drawer import CloseDrawer
from sim.tasks.knock_over import KnockOver
from sim.tasks.move_near import MoveNear
from sim.tasks.open_drawer import OpenDrawer
from sim.tasks.pick_up import PickUp
from sim.tasks.place_in_bowl import PlaceInBowl
from sim.tasks.place_on_card import PlaceOnCard
from sim.tasks.place_on_plate import PlaceOnPlate
from sim.tasks.place_upright import PlaceUpright
from sim.tasks.press_button import PressButton
from sim.tasks.push import Push
from sim.tasks.push_to_block import PushToBlock
from sim.tasks.put_in_drawer import PutInDrawer
from sim.tasks.reach import Reach
from sim.tasks.sort_by_color import SortByColor
from sim.tasks.stack import Stack
from sim.tasks.stack_three import StackThree
from sim.tasks.swap import Swap

TASK_CLASSES: dict[str, type[Task]] = {
    task.name: task
    for task in (
        Reach,
        Push,
        PushToBlock,
        PickUp,
        PlaceInBowl,
        PlaceOnPlate,
        PlaceOnCard,
        MoveNear,
        Stack,
        KnockOver,
        PlaceUpright,
        OpenDrawer,
        CloseDrawer,
        PutInDrawer,
        PressButton,
        Swap,
        SortByColor,
        StackThree,
    )
}

__all__ = ["TASK_CLASSES", "Task"]
