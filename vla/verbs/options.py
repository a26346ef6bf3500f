"""What the verbs share: how options look in the help, and how a policy is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from vla.errors import ConfigError

if TYPE_CHECKING:
    from vla.inference.engine import Engine

DEFAULT_POLICY = Path(__file__).parents[1] / "assets" / "default"

# A positional argument is shown under its own name in the help, rather than as PATH.
RecipePath = Annotated[Path, tyro.conf.arg(metavar="RECIPE")]
ConfigPath = Annotated[Path, tyro.conf.arg(metavar="CONFIG")]
DatasetPath = Annotated[Path, tyro.conf.arg(metavar="DATASET")]
CheckpointPath = Annotated[Path, tyro.conf.arg(metavar="CHECKPOINT")]
TaskName = Annotated[str, tyro.conf.arg(metavar="NAME")]
ImagePath = Annotated[str, tyro.conf.arg(metavar="IMAGE")]
Questions = Annotated[tuple[str, ...], tyro.conf.arg(metavar="QUESTION")]
# May be given several times, each time with several changes.
Overrides = tyro.conf.UseAppendAction[
    Annotated[tuple[tuple[str, ...], ...], tyro.conf.arg(name="set", metavar="KEY=VALUE...")]
]
OutFolder = Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
Text = Annotated[str | None, tyro.conf.arg(metavar="TEXT")]
Number = Annotated[int | None, tyro.conf.arg(metavar="N")]
File = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]
Folder = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")]
Json = Annotated[bool, tyro.conf.arg(name="json")]
Device = Literal["auto", "cpu", "cuda"]
Language = Literal["en", "ja"] | None


def load_engine(policy: Path | None, device: Device, robot: str | None = None) -> Engine:
    """Load a checkpoint, by default the one that comes with the package."""
    from transformers.utils import logging

    from vla.inference.engine import Engine
    from vla.training.checkpoint import load_model

    logging.disable_progress_bar()
    return Engine(*load_model(policy or DEFAULT_POLICY, device_of(device)), embodiment=robot)


def device_of(asked: Device) -> str:
    """The device that is meant.

    Raises:
        ConfigError: a GPU is asked for and there is none.
    """
    import torch

    if asked == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda is asked for and no GPU can be used here; take --device auto or cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if asked == "auto" else asked
