"""A robot that is not ours: other numbers of state and action, other cameras, no true scenes, so no plans."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vla.actions.bins import BinTokenizer
from vla.actions.embodiment import Embodiment
from vla.config import MixtureConfig
from vla.data.mixture import CoFineTuningBatches, TurnPacker, embodiment_statistics
from vla.data.reader import DemonstrationDataset
from vla.data.replay import join
from vla.data.schema import image_feature, vector_feature
from vla.data.writer import DatasetWriter
from vla.errors import DataError
from vla.inference.engine import Engine
from vla.training.supervised import supervised_loss
from vla.types import Observation

HORIZON, SIZE = 2, 32


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> DemonstrationDataset:
    """Of an arm with three joints, five numbers of state and one camera above it."""
    root = tmp_path_factory.mktemp("data") / "foreign"
    rng = np.random.default_rng(0)
    features = {
        "observation.images.top": image_feature(SIZE, SIZE),
        "observation.state": vector_feature([f"s{i}" for i in range(5)]),
        "action": vector_feature(["a", "b", "c"]),
    }
    with DatasetWriter(root, fps=10, robot_type="three_joints", features=features) as writer:
        for length in (4, 5, 6):
            columns = {
                "observation.images.top": rng.integers(0, 256, (length, SIZE, SIZE, 3), np.uint8),
                "observation.state": rng.normal(size=(length, 5)),
                "action": rng.uniform(-20, 30, (length, 3)),
            }
            writer.add_episode(columns, "wave")
    return DemonstrationDataset(root)


@pytest.fixture(scope="module")
def parts(make_model: Any, foreign: DemonstrationDataset) -> Any:
    """A model that plans and has a wrist camera, knows our arm, and is told of the other one."""
    model, processor = make_model("gpt2", HORIZON, wrist=True)
    model.config.embodiments = {**embodiment_statistics(foreign), **model.config.embodiments}
    return model, processor


def stream(dataset: DemonstrationDataset, parts: Any, share: float = 1.0) -> CoFineTuningBatches:
    model, processor = parts
    packer = TurnPacker(
        dataset, processor, model.config, MixtureConfig(motion_share=share, max_tokens=160), 0
    )
    return CoFineTuningBatches(packer, batch_size=4, seed=0, steps=3)


def test_what_is_known_of_it_follows_from_the_recording(foreign: DemonstrationDataset) -> None:
    facts = embodiment_statistics(foreign)["three_joints"]
    assert facts["plans"] is False and facts["cameras"] == {"front": "top", "wrist": "top"}
    robot = Embodiment.from_dict("three_joints", facts)
    assert robot.tokens_per_action == 4 and robot.camera("wrist") == "top"
    scaled = robot.scale_states(foreign.states, 7)
    assert scaled.shape == (15, 7) and (scaled[:, 5:] == 0).all() and abs(scaled).max() <= 1
    assert robot.scale_states(foreign.states, 0).shape == (15, 5)
    with pytest.raises(DataError, match="have 5 numbers; the model reads 4"):
        robot.scale_states(foreign.states, 4)
    with pytest.raises(DataError, match="have 7 numbers; those of robot 'three_joints' have 5"):
        robot.scale_states(np.zeros((1, 7)), 7)


def test_a_row_holds_its_actions_alone(foreign: DemonstrationDataset, parts: Any) -> None:
    batches = stream(foreign, parts)
    (turn,) = batches.packer.turns(1)
    bins = np.array(turn.target) - batches.packer.processor.bin_token_start
    actions, terminate = BinTokenizer().bins_to_chunk(bins, action_dim=3)
    expected = batches.packer.embodiment.action.normalise(foreign.actions[1:3])
    np.testing.assert_allclose(actions, expected, atol=1 / 256)
    assert not terminate.any()
    (last,) = batches.packer.turns(3)
    assert len(last.target) == 4, "what stands still is not known of it"
    assert not batches[0]["plans"].any() and batches[0]["states"].shape == (4, 7)
    assert torch.equal(batches[0]["wrist_values"], batches[0]["pixel_values"]), "its only camera, twice"


def test_it_learns_beside_ours_and_acts(
    foreign: DemonstrationDataset, dataset_folder: Path, parts: Any
) -> None:
    model, processor = parts
    ours = stream(DemonstrationDataset(dataset_folder), parts, share=0.5)
    loss = supervised_loss(model.config, bin_sigma=2.0, place_weight=2.0)
    with torch.no_grad():
        value, scalars = loss(model, join(stream(foreign, parts)[0], ours[0]))
    assert torch.isfinite(value) and torch.isfinite(scalars["loss/plan"])
    engine = Engine(model, processor, embodiment="three_joints")
    picture = foreign.image(0, "top")
    (chunk,) = engine.decide([Observation({"top": picture}, foreign.states[0], "wave")])
    assert chunk.actions.shape == (HORIZON, 3) and chunk.plan is None
    low, high = engine.embodiment.action.q01, engine.embodiment.action.q99
    assert ((chunk.actions >= low) & (chunk.actions <= high)).all() and high.max() > 20
    assert chunk.token_probabilities.shape == (HORIZON, 4)
    own = Engine(model, processor, embodiment="panda")
    (chunk,) = own.decide(
        [Observation({"front": picture, "wrist": picture}, np.zeros(7, np.float32), "wave")]
    )
    assert chunk.actions.shape == (HORIZON, 7) and chunk.plan is not None
