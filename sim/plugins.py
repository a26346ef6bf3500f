"""Tasks from elsewhere: of installed packages that name one, and of files that the caller names.

A package names its task in pyproject.toml, and it is there wherever `sim` is imported:

    [project.entry-points."vla.tasks"]
    pull = "pull:TASK"

A file is named by `vla VERB --plugin FILE`, or in the environment variable `VLA_PLUGINS`.
"""

import importlib.util
import inspect
import os
import string
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

import sim
from sim.errors import SimError, unknown_name
from sim.experts import EXPERTS, Subgoal
from sim.language.instructions import ROLE_NAMES
from sim.language.vocabulary import LANGUAGES, add_instructions
from sim.objects import SHAPES
from sim.scene import Scene
from sim.tasks import TASK_CLASSES, Task

ATTRIBUTE = "TASK"
"""What a file's task is called in it."""


@dataclass(frozen=True)
class TaskPlugin:
    """All that the world must know about a task.

    Args:
        task: its class; its `name` is how it is asked for.
        expert: says where the hand goes next, in any scene of the task.
        instructions: language -> templates such as "pull the {target} towards you", which name each of the
            task's parts: {target}, {goal}, {third}.
        held_out: the same, in wordings that no training shows, for the split `paraphrases`.
        max_episode_steps: after which an episode is truncated; 5 are a second.
    """

    task: type[Task]
    expert: Callable[[Scene], Subgoal]
    instructions: Mapping[str, Sequence[str]]
    held_out: Mapping[str, Sequence[str]]
    max_episode_steps: int = 60


def add_task(plugin: TaskPlugin) -> None:
    """Make a task known: to `gymnasium.make`, recipes, rollouts and instructions.

    Raises:
        SimError: its name is taken, or its shapes or templates are not what the world can use.
    """
    task = plugin.task
    name = task.name
    if not name.isidentifier() or name != name.lower():
        raise SimError(f"task name {name!r}: allowed are lower-case letters, digits and _")
    if name in sim.TASKS:
        raise SimError(f"there is a task {name!r} already; give the new one another name")
    if plugin.max_episode_steps < 1:
        raise SimError(f"task {name!r}: max_episode_steps is {plugin.max_episode_steps}; it must be positive")
    for shape in (shape for shapes in task.roles for shape in shapes):
        if shape not in SHAPES:
            raise unknown_name("shape", shape, SHAPES, f"It stands in the roles of task {name!r}")
    parts = set(ROLE_NAMES[: len(task.roles)]) if not task.fixed_words else set()
    for language in LANGUAGES:
        for templates in (plugin.instructions, plugin.held_out):
            _check_templates(name, language, templates.get(language, ()), parts)
    for language in LANGUAGES:
        add_instructions(name, language, plugin.instructions[language], plugin.held_out[language])
    camel_case = "".join(word.capitalize() for word in name.split("_"))
    sim.TASKS[name] = f"vla/{camel_case}-v0"
    sim.MAX_EPISODE_STEPS[name] = plugin.max_episode_steps
    TASK_CLASSES[name], EXPERTS[name] = task, plugin.expert
    sim.register_task(name)


def load_plugins() -> None:
    """Make all tasks known that packages and `VLA_PLUGINS` name.

    Raises:
        SimError: one cannot be loaded.
    """
    for entry in entry_points(group=sim.PLUGIN_GROUP):
        _add(f"entry point {entry.name} = {entry.value}", entry.load)
    for path in filter(None, os.environ.get(sim.PLUGIN_FILES, "").split(os.pathsep)):
        load_file(Path(path))


def load_file(path: Path) -> None:
    """Make the task of a Python file known, which is called TASK there.

    Raises:
        SimError: it cannot be loaded.
    """
    _add(str(path), partial(_task_in, path))


def plugin_files() -> list[Path]:
    """The files that the tasks from elsewhere are written in."""
    return sorted(set(_files.values()))


_files: dict[str, Path] = {}
"""Task -> the file that its class is in."""


def _add(source: str, load: Callable[[], object]) -> None:
    try:
        plugin = load()
    except Exception as error:
        raise SimError(f"plugin {source}: {type(error).__name__}: {error}") from error
    if not isinstance(plugin, TaskPlugin):
        found = type(plugin).__name__
        raise SimError(f"plugin {source}: it is of type {found}; it must be a sim.plugins.TaskPlugin")
    file = Path(inspect.getfile(plugin.task)).resolve()
    if _files.get(plugin.task.name) != file:  # a file and a package may name the same one
        add_task(plugin)
        _files[plugin.task.name] = file


def _task_in(path: Path) -> object:
    if not path.is_file():
        raise FileNotFoundError("there is no such file; write one with `vla new-task`")
    name = f"vla_task_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"it is no Python file; name one such as {path.stem}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where classes look for the module that they are of
    spec.loader.exec_module(module)
    if not hasattr(module, ATTRIBUTE):
        raise AttributeError(f"it defines no {ATTRIBUTE}; end it with {ATTRIBUTE} = TaskPlugin(...)")
    return getattr(module, ATTRIBUTE)


def _check_templates(task: str, language: str, templates: Sequence[str], parts: set[str]) -> None:
    if isinstance(templates, str) or not templates:
        raise SimError(
            f"task {task!r} has {templates!r} in {language!r}; it needs a list of instructions, and one of "
            f"held-out ones, in each of {', '.join(LANGUAGES)}"
        )
    for template in templates:
        named = {part for _, part, _, _ in string.Formatter().parse(template) if part is not None}
        if named != parts:
            expected = " and ".join(f"{{{part}}}" for part in ROLE_NAMES if part in parts) or "no object"
            raise SimError(f"instruction {template!r} of task {task!r} must name {expected}")
