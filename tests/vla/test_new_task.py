"""`vla new-task` writes a package that works at once, and `--plugin` makes its task known."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vla import cli
from vla.new_task import write_new_task

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks") / "pull_back"
    assert cli.main(["new-task", "pull_back", "--out", str(folder)]) == 0
    return folder


def vla(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `vla` in a process of its own, which the plugin changes."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "vla", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_every_file_has_the_tasks_name(package: Path) -> None:
    names = {"README.md", "pull_back.py", "pyproject.toml", "recipe.yaml", "test_pull_back.py"}
    assert {path.name for path in package.iterdir()} == names
    for path in package.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "new_task" not in text and "NewTask" not in text, path.name


def test_its_own_tests_pass(package: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_it_can_be_recorded_by_several_processes(package: Path) -> None:
    little = ["--set", "share=0.04", "image_size=32", "moments=50"]
    done = vla("collect", "recipe.yaml", "--plugin=pull_back.py", "--out", "demos", *little, folder=package)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("pull_back: episodes 4")


def test_without_the_plugin_the_task_is_unknown(package: Path) -> None:
    done = vla("collect", "recipe.yaml", "--out", "other", folder=package)
    assert done.returncode == 2 and "unknown task 'pull_back'" in done.stderr


def test_a_plugin_that_is_not_there_is_named(package: Path) -> None:
    done = vla("rollout", "--plugin", "nowhere.py", folder=package)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert f"plugin {package / 'nowhere.py'}: FileNotFoundError: there is no such file" in done.stderr


def test_the_example_works_and_its_other_files_are_those_of_the_template(tmp_path: Path) -> None:
    example = ROOT / "examples/pull"
    written = write_new_task("pull", tmp_path / "pull")
    for name in ("README.md", "pyproject.toml", "recipe.yaml", "test_pull.py"):
        assert (example / name).read_text(encoding="utf-8") == (written / name).read_text(encoding="utf-8")
    shutil.copy(example / "pull.py", written)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=written, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["rollout", "--plugn", "pull.py"], "unknown option '--plugn'; did you mean '--plugin'"),
        (["rollout", "--plugin"], "--plugin needs the Python file of a task"),
        (["rollout", "--plugin", "--task", "reach"], "--plugin needs the Python file of a task"),
        (["new-task", "Pull"], "allowed are lower-case letters"),
        (["new-task", "pull back"], "allowed are lower-case letters"),
        (["new-task", "pull", "--out", str(ROOT)], "exists already; nothing was written"),
        (["new-task", "numpy"], "'numpy' is taken by Python or a package here; take my_numpy"),
        (["new-task", "class"], "'class' is taken"),
    ],
)
def test_a_users_mistake_is_one_line(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and complaint in err and len(err.splitlines()) == 1
