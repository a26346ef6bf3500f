"""The smallest complete vision-language-action agent.

Importing it costs nothing: each public name is loaded from its module when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from vla.actions.bins import BinTokenizer
    from vla.actions.stats import Quantiles
    from vla.errors import VLAError
    from vla.model.configuration_vla import VLAConfig
    from vla.model.modeling_vla import VLAForConditionalGeneration
    from vla.model.processing_vla import VLAProcessor
    from vla.types import ActionChunk, Answer, Observation

__all__ = [
    "ActionChunk",
    "Answer",
    "BinTokenizer",
    "Observation",
    "Quantiles",
    "VLAConfig",
    "VLAError",
    "VLAForConditionalGeneration",
    "VLAProcessor",
    "__version__",
]

_MODULES = {
    "ActionChunk": "vla.types",
    "Answer": "vla.types",
    "BinTokenizer": "vla.actions.bins",
    "Observation": "vla.types",
    "Quantiles": "vla.actions.stats",
    "VLAConfig": "vla.model.configuration_vla",
    "VLAError": "vla.errors",
    "VLAForConditionalGeneration": "vla.model.modeling_vla",
    "VLAProcessor": "vla.model.processing_vla",
}


def __getattr__(name: str) -> object:
    """Load a public name from its module on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module 'vla' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_MODULES[name]), name)
