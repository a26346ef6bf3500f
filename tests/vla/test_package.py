import shutil
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

import pytest

import vla


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import sys, vla, vla.errors, vla.files; print({'torch', 'transformers', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", vla.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(vla, name) is not None


def test_another_name_is_an_attribute_error_with_the_names_there_are() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'VLAConfg'.*VLAConfig"):
        vla.VLAConfg  # noqa: B018


MAKE_EVERY_ENV = """
import sys
sys.path = [path for path in sys.path if path not in ("", {root!r})]
import gymnasium, sim, vla
assert not any(module.__file__.startswith({root!r}) for module in (sim, vla))
from sim.tasks import TASK_CLASSES
from sim.variations import SPLITS
made = 0
for task, name in sim.TASKS.items():
    for split in SPLITS:
        if TASK_CLASSES[task].shapes(SPLITS[split]):
            cameras = ("front", "wrist", "side")
            env = gymnasium.make(name, disable_env_checker=True, split=split, cameras=cameras)
            env.reset(seed=0)
            env.close()
            made += 1
print(made)
"""


@pytest.mark.slow
def test_the_wheel_holds_all_that_every_env_needs(tmp_path: Path) -> None:
    """Built, installed in an empty environment away from the checkout, and every env of every split made."""
    root = Path(vla.__file__).parents[1]
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    source = tmp_path / "source"  # a build leaves files beside its sources
    for name in ("vla", "sim"):
        shutil.copytree(root / name, source / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(source)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    needs = ["gymnasium", "numpy", "pillow", "pybullet", "pyyaml"]  # all that sim imports
    pinned = [f"{name}=={version(name)}" for name in needs]
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *pinned], check=True)
    subprocess.run([*install, "--no-deps", str(wheel)], check=True)
    code = MAKE_EVERY_ENV.format(root=str(root))
    done = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) > 150
