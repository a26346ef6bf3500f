"""The import arrows of docs/architecture.md, read from the source: what may import what."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path.relative_to(ROOT) for package in ("vla", "sim") for path in (ROOT / package).rglob("*.py")
)
TORCH = {"torch", "transformers", "open_clip", "accelerate", "timm", "safetensors", "tokenizers"}
MAY_IMPORT_SIM = ("vla/data/collect.py", "vla/data/vqa.py", "vla/evaluation/", "vla/assets/new_task/")


@cache
def imports(path: Path) -> frozenset[tuple[str, bool]]:
    """Modules that a file imports, anywhere in it, and whether at once, when it is imported itself."""
    found: set[tuple[str, bool]] = set()

    def visit(node: ast.AST, at_once: bool) -> None:
        if isinstance(node, ast.Import):
            found.update((alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = list(path.parts[:-1])
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            found.add((module, at_once))
            found.update((f"{module}.{alias.name}", at_once) for alias in node.names)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, at_once and not later)

    visit(ast.parse((ROOT / path).read_text(encoding="utf-8")), True)
    return frozenset(found)


def names(path: Path) -> set[str]:
    return {module for module, _ in imports(path)}


def roots(path: Path) -> set[str]:
    return {module.split(".")[0] for module in names(path)}


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def files_in(*prefixes: str) -> list[Path]:
    found = [path for path in FILES if path.as_posix().startswith(prefixes)]
    assert found, prefixes
    return found


def test_the_reader_of_imports_reads_imports() -> None:
    assert ("vla.model.build", True) in imports(Path("vla/training/supervised.py"))
    assert ("vla.training.checkpoint.load_model", False) in imports(Path("vla/inference/engine.py"))


@pytest.mark.parametrize("path", files_in("sim/"), ids=str)
def test_sim_imports_nothing_of_ours_and_no_torch(path: Path) -> None:
    assert not roots(path) & ({"vla"} | TORCH)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_only_one_file_imports_pybullet(path: Path) -> None:
    assert not roots(path) & {"pybullet", "pybullet_data"} or path == Path("sim/bullet.py")


@pytest.mark.parametrize("path", files_in("vla/types.py", "vla/errors.py", "vla/actions/"), ids=str)
def test_the_foundation_imports_numpy_at_most(path: Path) -> None:
    allowed = sys.stdlib_module_names | {"numpy", "vla"}
    assert roots(path) <= allowed
    ours = {module for module in names(path) if inside(module, "vla")}
    assert all(any(inside(m, base) for base in ("vla.types", "vla.errors", "vla.actions")) for m in ours)


@pytest.mark.parametrize("path", files_in("vla/model/"), ids=str)
def test_the_model_knows_nothing_of_training_data_or_sim(path: Path) -> None:
    forbidden = ("vla.training", "vla.data", "vla.evaluation", "vla.inference", "sim")
    assert not [module for module in names(path) for package in forbidden if inside(module, package)]


@pytest.mark.parametrize("path", files_in("vla/inference/"), ids=str)
def test_inference_knows_nothing_of_data_or_sim(path: Path) -> None:
    forbidden = ("vla.data", "vla.evaluation", "sim")
    assert not [module for module in names(path) for package in forbidden if inside(module, package)]


@pytest.mark.parametrize("path", files_in("vla/"), ids=str)
def test_sim_is_imported_by_collection_questions_and_evaluation_only(path: Path) -> None:
    assert "sim" not in roots(path) or path.as_posix().startswith(MAY_IMPORT_SIM)


@pytest.mark.parametrize("path", files_in("vla/__init__.py", "vla/cli.py"), ids=str)
def test_what_every_command_imports_is_light(path: Path) -> None:
    at_once = {module.split(".")[0] for module, immediately in imports(path) if immediately}
    assert not at_once & (TORCH | {"sim", "pyarrow", "gymnasium", "pybullet"})


@pytest.mark.parametrize("path", FILES, ids=str)
def test_nothing_is_unpickled(path: Path) -> None:
    assert not roots(path) & {"pickle", "dill", "joblib", "shelve", "marshal"}
    calls = [
        node
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    assert not [node.lineno for node in calls if ast.unparse(node.func) in ("torch.load", "torch.save")]


def test_datasets_holds_no_python() -> None:
    # A package of that name would hide Hugging Face `datasets` from every library that imports it.
    assert not list((ROOT / "datasets").rglob("*.py"))
