"""The arrows between the parts, held by reading every import in the sources."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("vla/**/*.py"), *ROOT.glob("sim/**/*.py")])
USES_SIM = ("vla.data.collect", "vla.data.vqa", "vla.evaluation", "vla.cli")
LIGHT = ("vla.types", "vla.errors", "vla.actions")
STANDARD_AND_NUMPY = {"collections", "dataclasses", "difflib", "typing", "numpy"}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def imports(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, late imports included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_arrows_point_the_right_way(path: Path) -> None:
    source = module_name(path)
    for target in imports(path):
        if within(source, ("sim",)):
            assert not within(target, ("vla", "torch", "transformers")), f"sim is useful without {target}"
        if within(target, ("pybullet", "pybullet_data")):
            assert source == "sim.bullet", "one file speaks to pybullet"
        if within(target, ("sim",)) and not within(source, ("sim",)):
            assert within(source, USES_SIM), f"{source} has no business with the simulator"
        if within(source, LIGHT):
            allowed = target.split(".")[0] in STANDARD_AND_NUMPY or within(target, LIGHT)
            assert allowed, f"{source} imports numpy at most, not {target}"
        if within(source, ("vla.model",)):
            assert not within(target, ("vla.training", "vla.data", "sim")), (
                f"the model knows nothing of {target}"
            )


def test_datasets_is_no_package() -> None:
    assert not list(ROOT.glob("datasets/**/*.py")), "a package of that name would hide Hugging Face datasets"
