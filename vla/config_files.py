"""Reading and writing of configurations; an unknown key is refused with the nearest valid one."""

import difflib
import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from vla.config import StrictModel
from vla.errors import ConfigError, describe_unknown
from vla.files import atomic_write

Config = TypeVar("Config", bound=StrictModel)


def load_config(path: Path | None, cls: type[Config], overrides: Sequence[str] = ()) -> Config:
    """Read a configuration.

    Args:
        path: a YAML file; None for the defaults alone.
        cls: what it describes.
        overrides: changes such as "train.lr=3e-4", applied in order; values are YAML.

    Returns:
        The validated object.

    Raises:
        ConfigError: the file is missing or malformed, or a key or value is not allowed.
    """
    values = cls().model_dump(mode="json") if path is None else _read(Path(path))
    for override in overrides:
        _apply(override, values)
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{path or 'overrides'}: {_explain(error, cls)}") from error


def describes_env(path: Path) -> bool:
    """Whether a recipe is of an environment that is not ours: an `EnvRecipe`."""
    return "env" in _read(Path(path))


def save_config(config: StrictModel, path: Path) -> None:
    """Write a configuration that ``load_config`` reads back to an equal object.

    Args:
        config: the object.
        path: the YAML file; one that exists is replaced.

    Raises:
        StorageError: it could not be written.
    """
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    atomic_write(path, text.encode())


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads 3e-4 as a number, as YAML 1.2 does, and refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping whose keys differ."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({key for key in keys if keys.count(key) > 1 and key != "<<"})
        if twice:
            problem = f"key {twice[0]!r} is given twice"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _parse(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        names = [str(other) for other in sorted(path.parent.glob("*.yaml"))]
        nearest = difflib.get_close_matches(str(path), names, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else "give the path of a YAML file"
        raise ConfigError(f"there is no configuration file {path}; {hint}")
    try:
        values = _parse(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{line}: {error.problem or error.context}. Correct the YAML") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as YAML: {_one_line(error)}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds {_kind(values)}; it must hold keys and values, such as 'seed: 0'")
    return values


def _apply(override: str, values: dict[str, Any]) -> None:
    """Set one value, in place, at a dotted key."""
    key, equals, text = override.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise ConfigError(f"override {override!r} is not of the form key=value, such as train.lr=3e-4")
    try:
        value = _parse(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"override {override!r}: the value is not YAML: {_one_line(error)}") from error
    for depth, part in enumerate(parts[:-1]):
        inner = {} if values.get(part) is None else values[part]
        if not isinstance(inner, dict):
            section = ".".join(parts[: depth + 1])
            raise ConfigError(f"override {override!r}: {section} is a value, not a section")
        values[part] = inner
        values = inner
    values[parts[-1]] = value


def _explain(error: ValidationError, cls: type[BaseModel]) -> str:
    """Say in one line what is wrong; an unknown key first, since it often explains the rest."""
    problems = error.errors(include_url=False)
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    location = first["loc"]
    key = ".".join(str(part) for part in location)
    more = f" ({len(problems) - 1} more problems)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        section = ".".join(str(part) for part in location[:-1])
        kind = f"key of {section}" if section else "key"
        return describe_unknown(kind, str(location[-1]), _keys_at(cls, location[:-1])) + more
    if first["type"] == "missing":
        return f"key {key!r} is missing; add it{more}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{key or 'configuration'}: {message}; got {first['input']!r:.100}{more}"


def _keys_at(annotation: Any, location: Sequence[int | str]) -> list[str]:
    """List the keys that a section allows, following the annotations down to it."""
    models = _models_in(annotation)
    if not location:
        return [key for model in models for key in model.model_fields]
    for model in models:
        if location[0] in model.model_fields:
            return _keys_at(model.model_fields[str(location[0])].annotation, location[1:])
    return _keys_at(annotation, location[1:])  # an index of a list, a key of a dict or the tag of a union


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
