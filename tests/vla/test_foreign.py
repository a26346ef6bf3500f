"""panda-gym from its recipe to a policy: recorded, learned beside ours, rolled out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vla import cli
from vla.config import EnvRecipe, FinetuneConfig
from vla.config_files import load_config
from vla.data.reader import DemonstrationDataset
from vla.errors import ConfigError
from vla.evaluation.finetuning import ForeignTask, finetune
from vla.evaluation.foreign import rollout_env
from vla.evaluation.rollout import Start
from vla.inference.engine import Engine
from vla.training.checkpoint import load_model

pytest.importorskip("panda_gym")
pytestmark = [
    pytest.mark.usefixtures("fresh_accelerator"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
EXAMPLES = Path(__file__).parents[2] / "examples/panda_gym"
LITTLE = FinetuneConfig(
    steps=2,
    batch_size=4,
    checks=1,
    check_episodes=1,
    episodes=1,
    old_tasks=[],
    mixture={"motion_share": 1, "max_tokens": 160},  # type: ignore[arg-type]
)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("panda") / "reach"
    little = ["episodes=3", "image_size=32", "kwargs.render_width=32", "kwargs.render_height=32"]
    arguments = ["collect", str(EXAMPLES / "reach.yaml"), "--out", str(folder), "--workers", "1"]
    assert cli.main([*arguments, "--set", *little]) == 0
    return folder


def test_what_is_recorded(recording: Path) -> None:
    dataset = DemonstrationDataset(recording)
    assert dataset.num_episodes == 3 and dataset.robot_type == "panda_gym_reach"
    assert dataset.actions.shape[1] == 3 and dataset.states.shape[1] == 6 and not dataset.has_scenes
    assert dataset.instruction(0) == "reach the green ball" and dataset.succeeds.all()
    assert dataset.image(0).shape == (32, 32, 3) and np.ptp(dataset.image(0)) > 50
    executed = dataset.column("executed_action")
    assert abs(executed - dataset.actions).max() > 0.01 and abs(executed).max() <= 1


def test_it_is_learned_beside_ours_and_rolled_out(
    recording: Path, dataset_folder: Path, make_model: Any, tmp_path: Path
) -> None:
    from vla.training.checkpoint import save_model

    save_model(tmp_path / "start", *make_model("gpt2", 2, wrist=True), {"stage": "test"})
    recipe = load_config(EXAMPLES / "reach.yaml", EnvRecipe, ["image_size=32"])
    task = ForeignTask(recipe, EXAMPLES)
    report = finetune(
        tmp_path / "start", recording, tmp_path / "run", LITTLE, replay=dataset_folder, env=task
    )
    assert report["task"] == "panda_reach" and report["demonstrations"] == 3
    assert "panda_reach" not in report["before"], "the checkpoint did not know that robot"
    assert "| panda_reach | robot unknown |" in (tmp_path / "run/report.md").read_text()
    model, processor = load_model(tmp_path / "run/checkpoint")
    assert list(model.config.embodiments) == ["panda", "panda_gym_reach"], "what was known stays known"
    engine = Engine(model, processor, embodiment="panda_gym_reach")
    played, again = (rollout_env(recipe, EXAMPLES, engine, [Start(5), Start(6)], record=1) for _ in range(2))
    assert [episode.start.seed for episode in played] == [5, 6]
    assert played[0].frames.shape == (played[0].steps + 1, 32, 32, 3) and len(played[1].frames) == 0
    assert [episode.steps for episode in played] == [episode.steps for episode in again]
    assert (played[0].frames == again[0].frames).all()
    with pytest.raises(ConfigError, match="0 episodes in 8 envs cannot be played"):
        rollout_env(recipe, EXAMPLES, engine, [])
    with pytest.raises(ConfigError, match="the policy sees by front; `images` of 'panda_reach' has top"):
        other = recipe.model_copy(update={"images": {"top": "render"}})
        rollout_env(other, EXAMPLES, engine, [Start(0)])


def test_a_recording_of_others_is_learned_without_rollouts(
    recording: Path, checkpoint_folder: Path, dataset_folder: Path, tmp_path: Path
) -> None:
    report = finetune(checkpoint_folder, recording, tmp_path, LITTLE, replay=dataset_folder)
    assert report["checks"] == [] and report["after"] == {}
    assert "No rollouts on the way." in (tmp_path / "report.md").read_text()
    assert (tmp_path / "checkpoint/model.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--env", str(EXAMPLES / "reach.yaml")], "no statistics for robot 'panda_gym_reach'"),
        (["--env", str(EXAMPLES / "reach.yaml"), "--expert"], "--env plays a policy"),
        (["--env", str(EXAMPLES / "raech.yaml")], "did you mean"),
    ],
)
def test_a_users_mistake_is_one_line(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str], checkpoint_folder: Path
) -> None:
    policy = [] if "--expert" in arguments else ["--policy", str(checkpoint_folder)]
    assert cli.main(["rollout", *arguments, *policy]) == 2
    out, err = capsys.readouterr()
    assert out == "" and complaint in err and len(err.splitlines()) == 1
