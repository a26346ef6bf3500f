"""Write the package of a new task: `vla/assets/new_task`, itself a task that works, under another name."""

from __future__ import annotations

import keyword
from importlib.util import find_spec
from pathlib import Path

from vla.errors import ConfigError
from vla.files import atomic_directory

TEMPLATE = Path(__file__).parent / "assets" / "new_task"
NAME = "new_task"


def write_new_task(name: str, out: Path) -> Path:
    """Copy the template and give it the task's name.

    Args:
        name: of the task, as `vla rollout --task` will take it.
        out: folder for the package; it must not exist.
    Returns:
        The folder.
    Raises:
        ConfigError: the name cannot be a task's, or the folder exists.
        StorageError: the disk refuses.
    """
    if not (name.isascii() and name.isidentifier() and name == name.lower()):
        raise ConfigError(f"task name {name!r}: allowed are lower-case letters, digits and _; take pull_back")
    package = find_spec(name)
    if keyword.iskeyword(name) or (package is not None and package.origin is not None):
        raise ConfigError(f"task name {name!r} is taken by Python or a package here; take my_{name}")
    if out.exists():
        raise ConfigError(f"{out} exists already; nothing was written. Give --out another folder")
    words = name.split("_")
    names = {
        NAME: name,
        "NewTask": "".join(word.capitalize() for word in words),
        "new-task": "-".join(words),
        "new task": " ".join(words),
    }
    with atomic_directory(out) as folder:
        for file in TEMPLATE.iterdir():
            if file.is_file():
                text = file.read_text(encoding="utf-8")
                for old, new in names.items():
                    text = text.replace(old, new)
                (folder / file.name.replace(NAME, name)).write_text(text, encoding="utf-8")
    return out
