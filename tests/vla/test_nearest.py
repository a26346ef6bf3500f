"""The nearest-neighbour baseline."""

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from vla.data.reader import DemonstrationDataset
from vla.errors import CheckpointError
from vla.evaluation import nearest
from vla.evaluation.drivers import View
from vla.evaluation.nearest import NearestDriver
from vla.text.tokenizer import load_tokenizer
from vla.training.contrastive import save_clip
from vla.types import Observation


@pytest.fixture(scope="module")
def encoder(vit_json: Path, tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random image encoder in the folder that training writes."""
    torch.manual_seed(0)
    architecture = json.loads(vit_json.read_text())
    folder = tmp_path_factory.mktemp("clip") / "checkpoint"
    mean, std = list(open_clip.OPENAI_DATASET_MEAN), list(open_clip.OPENAI_DATASET_STD)
    clip = open_clip.CustomTextCLIP(
        **{key: architecture[key] for key in ("embed_dim", "vision_cfg", "text_cfg")}
    )
    save_clip(folder, clip, architecture, load_tokenizer(tokenizer_folder), mean, std, {})
    return folder


def view(dataset: DemonstrationDataset, frame: int, instruction: str | None = None) -> View:
    """What a policy would see at a moment of a demonstration."""
    pixels = {"front": dataset.image(frame)}
    told = instruction or dataset.instruction(frame)
    return View(Observation(pixels, dataset.states[frame], told), {}, seed=0, step=0)


def test_a_moment_of_a_demonstration_is_done_again(
    dataset_folder: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "NEIGHBOURS", 1)
    dataset = DemonstrationDataset(dataset_folder)
    driver = NearestDriver(dataset, encoder)
    frames = [0, 3, int(dataset.episode_ends[0]) - 1]
    chunks = driver.decide([view(dataset, frame) for frame in frames])
    for frame, chunk in zip(frames[:2], chunks, strict=False):
        np.testing.assert_allclose(chunk.actions, dataset.actions[frame : frame + 2], atol=1e-6)
    np.testing.assert_allclose(chunks[2].actions, dataset.actions[[frames[2]] * 2], atol=1e-6)
    assert not chunks[0].terminate.any()


def test_only_moments_with_like_instructions_count(
    dataset_folder: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "NEIGHBOURS", 100)
    dataset = DemonstrationDataset(dataset_folder)
    moving = np.flatnonzero(~dataset.is_still)
    other = next(f for f in moving if dataset.instruction(f) != dataset.instruction(0))
    alike = [f for f in moving if dataset.instruction(f) == dataset.instruction(other)]
    monkeypatch.setattr(nearest, "CANDIDATES", len(alike))
    (chunk,) = NearestDriver(dataset, encoder).decide([view(dataset, 0, dataset.instruction(other))])
    low, high = dataset.actions[alike].min(axis=0), dataset.actions[alike].max(axis=0)
    assert ((low - 1e-6 <= chunk.actions) & (chunk.actions <= high + 1e-6)).all()


def test_a_folder_that_is_no_encoder_is_refused(dataset_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no image encoder at .*vla train clip"):
        NearestDriver(DemonstrationDataset(dataset_folder), tmp_path)
