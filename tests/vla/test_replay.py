"""Old data among new: what a batch of both teaches is what its parts teach."""

from pathlib import Path
from typing import Any

import pytest
import torch

from vla.config import MixtureConfig
from vla.data.mixture import CoFineTuningBatches, TurnPacker
from vla.data.reader import DemonstrationDataset
from vla.data.replay import ReplayedBatches, join
from vla.training.supervised import supervised_loss


@pytest.fixture(scope="module")
def parts(make_model: Any) -> Any:
    return make_model("gpt2", 2, wrist=True)


def stream(folder: Path, parts: Any, rows: int, motion_share: float, seed: int) -> CoFineTuningBatches:
    model, processor = parts
    settings = MixtureConfig(motion_share=motion_share, questions_per_image=2)
    packer = TurnPacker(DemonstrationDataset(folder), processor, model.config, settings, seed)
    return CoFineTuningBatches(packer, batch_size=rows, seed=seed, steps=7)


@pytest.mark.parametrize(("new_share", "old_share"), [(1.0, 0.5), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_the_loss_of_both_is_that_of_the_parts(
    dataset_folder: Path, parts: Any, new_share: float, old_share: float
) -> None:
    model, _ = parts
    loss = supervised_loss(model.config, bin_sigma=2.0, place_weight=1.0)
    new, old = stream(dataset_folder, parts, 3, new_share, 0), stream(dataset_folder, parts, 5, old_share, 1)
    both = ReplayedBatches(new, old)
    assert len(both) == 7
    with torch.no_grad():
        for step in range(3):
            batches = new[step], old[step]
            learned = torch.tensor([(batch["labels"] >= 0).sum().item() for batch in batches])
            losses = torch.stack([loss(model, batch)[0] for batch in batches])
            joined = both[step]
            assert len(joined["pixel_values"]) == 8
            expected = (losses * learned).sum() / learned.sum()
            assert loss(model, joined)[0].item() == pytest.approx(expected.item(), rel=1e-5)


def test_rows_stay_in_order(dataset_folder: Path, parts: Any) -> None:
    new, old = stream(dataset_folder, parts, 3, 1.0, 0)[2], stream(dataset_folder, parts, 5, 0.5, 1)[2]
    joined = join(new, old)
    for name in ("states", "wrist_values", "pixel_values"):
        assert torch.equal(joined[name], torch.cat([new[name], old[name]]))
    assert joined.keys() == new.keys() | old.keys()
    for name in ("input_ids", "labels"):
        assert torch.equal(joined[name][3:, : old[name].shape[1]], old[name])


def test_there_is_something_held_out_only_if_both_have_it(
    dataset_folder: Path, parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, old = (stream(dataset_folder, parts, 4, 0.5, seed) for seed in (0, 1))
    assert ReplayedBatches(new, old).validation() is None
    monkeypatch.setattr("vla.data.mixture.HELD_OUT_EVERY", 3)
    new, old = (stream(dataset_folder, parts, 4, 0.5, seed) for seed in (0, 1))
    apart = ReplayedBatches(new, old).validation()
    assert apart is not None and len(apart[0]["pixel_values"]) == 8
