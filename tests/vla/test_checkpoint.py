import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from vla import cli
from vla.errors import CheckpointError, StorageError
from vla.inference.engine import Engine
from vla.model.modeling_vla import VLAForConditionalGeneration
from vla.model.processing_vla import VLAProcessor
from vla.training import checkpoint
from vla.training.checkpoint import (
    git_commit,
    load_model,
    load_training_state,
    save_model,
    save_training_state,
)

RUN = {"stage": "vla", "metrics": {"loss": 1.5}, "note": "赤い"}


@pytest.fixture(scope="module")
def parts(make_model: Any) -> tuple[VLAForConditionalGeneration, VLAProcessor]:
    return make_model("gpt2")


@pytest.fixture(scope="module")
def good(
    parts: tuple[VLAForConditionalGeneration, VLAProcessor], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "good"
    save_model(folder, *parts, RUN)
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(good, tmp_path / "spoilt"))


def test_a_checkpoint_holds_what_it_should_and_nothing_pickled(good: Path) -> None:
    names = {path.name for path in good.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "run.json"} <= names
    assert {path.suffix for path in good.iterdir()} <= {".json", ".safetensors"}
    assert json.loads((good / "run.json").read_text()) == RUN


def test_a_checkpoint_comes_back_bit_for_bit(parts: Any, good: Path) -> None:
    model, processor = load_model(good)
    before, after = parts[0].state_dict(), model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not model.training
    assert processor.motion_ids("go") == parts[1].motion_ids("go")


def test_weights_of_another_model_are_named(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(weights | {"film.weight": torch.zeros(2)}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"is of another model.*film\.weight"):
        load_model(folder)


def test_an_engine_loads_it(parts: Any, good: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    states = np.zeros((1, 7), np.float32)
    (before,) = Engine(*parts).act(images, states, ["go"])
    (after,) = Engine.load(good).act(images, states, ["go"])
    np.testing.assert_array_equal(before.actions, after.actions)
    np.testing.assert_allclose(before.token_probabilities, after.token_probabilities, rtol=1e-4)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16), ("fp32", torch.float32)]
)
def test_an_exported_checkpoint_is_rounded_and_says_so(
    good: Path, tmp_path: Path, precision: str, dtype: torch.dtype
) -> None:
    out = tmp_path / "exported"
    assert cli.main(["export", str(good), "--out", str(out), "--precision", precision]) == 0
    weights, original = (load_file(folder / "model.safetensors") for folder in (out, good))
    assert all(torch.equal(value, original[name].to(dtype)) for name, value in weights.items())
    assert json.loads((out / "run.json").read_text()) == RUN | {"weights": precision}
    assert Engine.load(out).config.embodiments == Engine.load(good).config.embodiments


def test_loading_and_saving_again_gives_the_same_weights(good: Path, tmp_path: Path) -> None:
    save_model(tmp_path / "again", *load_model(good), RUN)
    first, second = (load_file(path / "model.safetensors") for path in (good, tmp_path / "again"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    for name in ("config.json", "tokenizer.json", "processor_config.json"):
        before, after = (json.loads((path / name).read_text()) for path in (good, tmp_path / "again"))
        if name == "config.json":  # a new decoder has no dtype of its own yet, a loaded one has
            assert before["decoder_config"].pop("dtype") is None
            assert after["decoder_config"].pop("dtype") == "float32"
        assert before == after, name


def test_an_older_checkpoint_is_replaced(parts: Any, folder: Path) -> None:
    (folder / "stale").touch()
    save_model(folder, *parts, {"stage": "new"})
    assert not (folder / "stale").exists()
    assert json.loads((folder / "run.json").read_text()) == {"stage": "new"}


def test_a_full_disk_leaves_the_old_checkpoint(
    parts: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(VLAProcessor, "save_pretrained", fail)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(StorageError, match="No space left"):
        save_model(folder, *parts, RUN)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


class TestWhatIsNoCheckpoint:
    def test_a_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match=r"no checkpoint folder .*nowhere"):
            load_model(tmp_path / "nowhere")

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
    def test_a_missing_file(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        with pytest.raises(CheckpointError, match=f"it has no {name}"):
            load_model(folder)

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
    def test_a_truncated_file(self, folder: Path, name: str) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:100])
        with pytest.raises(CheckpointError, match="cannot read checkpoint"):
            load_model(folder)

    @pytest.mark.parametrize("text", ["[]", "3", '"vla"'])
    def test_a_config_of_another_shape(self, folder: Path, text: str) -> None:
        (folder / "config.json").write_text(text)
        with pytest.raises(CheckpointError, match="spoilt"):
            load_model(folder)

    def test_another_kind_of_model(self, folder: Path) -> None:
        change_config(folder, model_type="gpt2")
        with pytest.raises(CheckpointError, match="'gpt2' model; a 'vla' model is needed"):
            load_model(folder)

    @pytest.mark.parametrize("embodiments", [{}, None])
    def test_no_statistics(self, folder: Path, embodiments: Any) -> None:
        change_config(folder, embodiments=embodiments)
        with pytest.raises(CheckpointError, match="no normalisation statistics"):
            load_model(folder)

    def test_missing_weights(self, folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        del weights["projector.fc1.weight"]
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(CheckpointError, match=r"projector\.fc1\.weight"):
            load_model(folder)

    def test_weights_of_another_shape(self, folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        weights["projector.fc1.weight"] = torch.zeros(3, 3)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(CheckpointError, match=r"projector\.fc1\.weight"):
            load_model(folder)


def change_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


class Tied(torch.nn.Module):
    """Two layers that share a matrix, and a batch norm with buffers."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.first = torch.nn.Linear(width, width)
        self.norm = torch.nn.BatchNorm1d(width)
        self.second = torch.nn.Linear(width, width)
        self.second.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.norm(self.first(x)))


def trained(seed: int, steps: int) -> tuple[Tied, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    model = Tied()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(steps):
        model(torch.randn(8, 4)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return model, optimizer


def test_a_training_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    model, optimizer = trained(seed=0, steps=3)
    save_training_state(tmp_path / "state", 3, model, optimizer)
    other, other_optimizer = trained(seed=1, steps=0)
    assert load_training_state(tmp_path / "state", other, other_optimizer) == 3
    assert other.first.weight is other.second.weight
    held = other.state_dict()
    assert all(torch.equal(value, held[name]) for name, value in model.state_dict().items())
    mine, theirs = (each.state_dict()["state"] for each in (optimizer, other_optimizer))
    assert mine.keys() == theirs.keys()
    for index in mine:
        assert all(torch.equal(mine[index][name], theirs[index][name]) for name in mine[index])
    assert {path.suffix for path in (tmp_path / "state").iterdir()} == {".json", ".safetensors"}


def test_the_state_of_another_model_is_refused(tmp_path: Path) -> None:
    save_training_state(tmp_path / "state", 1, *trained(seed=0, steps=1))
    wider = Tied(width=5)
    with pytest.raises(CheckpointError, match="cannot resume from"):
        load_training_state(tmp_path / "state", wider, torch.optim.AdamW(wider.parameters()))
    other = torch.nn.Linear(4, 4)
    with pytest.raises(CheckpointError, match="made by another model"):
        load_training_state(tmp_path / "state", other, torch.optim.AdamW(other.parameters()))


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("content", [None, b"{}"])
def test_a_damaged_state_is_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    model, optimizer = trained(seed=0, steps=1)
    save_training_state(tmp_path / "state", 1, model, optimizer)
    (tmp_path / "state" / name).unlink()
    if content is not None:
        (tmp_path / "state" / name).write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot resume from"):
        load_training_state(tmp_path / "state", model, optimizer)


def test_a_kill_while_saving_leaves_the_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, optimizer = trained(seed=0, steps=1)
    save_training_state(tmp_path / "state", 1, model, optimizer)

    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_training_state(tmp_path / "state", 2, model, optimizer)
    assert load_training_state(tmp_path / "state", model, optimizer) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_the_commit_is_told_or_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert git_commit()
    monkeypatch.setattr(checkpoint, "__file__", str(tmp_path / "checkpoint.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit() == "unknown"
