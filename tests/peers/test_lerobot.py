"""The real `lerobot` package and vla read each other's datasets; what it wrote trains and rolls out."""

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vla.config import CollectRecipe, EnvRecipe, FinetuneConfig
from vla.config_files import load_config
from vla.data.adapted import load_function
from vla.data.collect import collect
from vla.data.collect_env import record_env_attempt
from vla.data.reader import DemonstrationDataset
from vla.evaluation.finetuning import ForeignTask, finetune
from vla.verbs import DEFAULT_POLICY

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-peers/bin/python"
EXAMPLES = ROOT / "examples/panda_gym"
EPISODES = 6
pytestmark = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def lerobot(*arguments: str) -> str:
    """Run the other side."""
    assert PYTHON.exists(), "make test-peers installs lerobot"
    command = [str(PYTHON), str(ROOT / "tests/peers/lerobot_side.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def recipe() -> EnvRecipe:
    return load_config(EXAMPLES / "reach.yaml", EnvRecipe, ["images={top: render}"])


@pytest.fixture(scope="module")
def episodes(recipe: EnvRecipe) -> dict[str, Any]:
    """Episodes of panda-gym, as nothing but arrays."""
    expert = load_function(recipe.expert, EXAMPLES)
    found: dict[str, list[Any]] = {"images": [], "states": [], "actions": [], "episodes": []}
    for number in range(EPISODES):
        columns, _, _ = record_env_attempt(recipe, EXAMPLES, expert, number)
        pictures = columns["observation.images.top"]
        found["images"] += [np.array(Image.open(io.BytesIO(png))) for png in pictures]
        found["states"] += columns["observation.state"]
        found["actions"] += columns["action"]
        found["episodes"] += [number] * len(pictures)
    arrays: dict[str, Any] = {name: np.array(values) for name, values in found.items()}
    return arrays | {"fps": recipe.fps, "robot": recipe.robot, "task": recipe.instruction[0]}


@pytest.fixture(scope="module")
def written(episodes: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset that lerobot wrote."""
    folder = tmp_path_factory.mktemp("lerobot")
    np.savez(folder / "episodes.npz", **episodes)
    lerobot("write", str(folder / "episodes.npz"), str(folder / "demos"))
    return folder / "demos"


def test_what_lerobot_wrote_is_read(written: Path, episodes: dict[str, Any]) -> None:
    dataset = DemonstrationDataset(written)
    assert dataset.info["features"]["observation.images.top"]["dtype"] == "video"
    assert dataset.cameras == ["top"] and dataset.num_episodes == EPISODES
    np.testing.assert_array_equal(dataset.episode_index, episodes["episodes"])
    np.testing.assert_allclose(dataset.actions, episodes["actions"], atol=1e-6)
    np.testing.assert_allclose(dataset.states, episodes["states"], atol=1e-6)
    assert dataset.instruction(0) == episodes["task"]
    for frame in [*range(len(dataset)), 0, len(dataset) - 1]:
        error = abs(dataset.image(frame, "top").astype(int) - episodes["images"][frame])
        assert error.mean() < 8, "the film is compressed with losses"


def test_what_lerobot_wrote_trains_and_rolls_out(written: Path, recipe: EnvRecipe, tmp_path: Path) -> None:
    little = FinetuneConfig(
        steps=2, batch_size=4, replay=0, checks=1, check_episodes=1, episodes=1, old_tasks=[]
    )
    report = finetune(DEFAULT_POLICY, written, tmp_path, little, env=ForeignTask(recipe, EXAMPLES))
    assert report["demonstrations"] == EPISODES and report["checks"][0]["steps"] == 2
    assert report["after"]["panda_reach"][1] == 1, "it was rolled out"


def test_lerobot_reads_what_we_write(tmp_path: Path) -> None:
    recipe = CollectRecipe(name="small", seed=0, image_size=32, tasks={"reach": 2}, scenes=2)
    collect(recipe, tmp_path / "demos", 1)
    ours = DemonstrationDataset(tmp_path / "demos")
    facts = json.loads(lerobot("read", str(tmp_path / "demos")).splitlines()[-1])
    assert (facts["frames"], facts["episodes"], facts["fps"]) == (len(ours), ours.num_episodes, 5)
    assert facts["task"] == ours.instruction(0)
    assert facts["shapes"]["action"] == [7] and facts["shapes"]["observation.images.front"] == [3, 32, 32]
