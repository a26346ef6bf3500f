"""The two trainers on the small dataset: what they write, resume, learn and refuse."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.vla.runs import LOOP, assert_same_files
from vla.config import ClipTrainConfig, LoopConfig, MixtureConfig, VLATrainConfig
from vla.config_files import save_config
from vla.data.mixture import CoFineTuningBatches, embodiment_statistics
from vla.data.reader import DemonstrationDataset
from vla.errors import ConfigError, DataError
from vla.inference.calibration import Calibration
from vla.inference.engine import Engine
from vla.model.configuration_vla import VLAConfig
from vla.model.vision import load_vision
from vla.text.tokenizer import load_tokenizer
from vla.training import supervised
from vla.training.checkpoint import load_model
from vla.training.contrastive import CaptionBatches, caption_ids, train_clip
from vla.training.loop import Batch, LossFunction
from vla.training.supervised import supervised_loss, train_vla

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


@pytest.fixture
def clip_config(vit_json: Path, tokenizer_folder: Path, dataset_folder: Path) -> ClipTrainConfig:
    return ClipTrainConfig(
        architecture=str(vit_json),
        tokenizer=str(tokenizer_folder),
        data=str(dataset_folder),
        loop=LoopConfig(**LOOP),
    )


@pytest.fixture
def vla_config(
    vit_json: Path, tokenizer_folder: Path, dataset_folder: Path, decoder_configs: dict[str, Any]
) -> VLATrainConfig:
    return VLATrainConfig.model_validate(
        {
            "model": {
                "vision": {"architecture": str(vit_json), "layers": [0, 1]},
                # Dropout too must be the same before and after an interruption.
                "decoder": {
                    "config": {**decoder_configs["gpt2"], "initializer_range": 0.02, "resid_pdrop": 0.1}
                },
                "tokenizer": str(tokenizer_folder),
                "action_horizon": 2,
            },
            "data": str(dataset_folder),
            "mixture": {"questions_per_image": 2},
            "loop": LOOP,
        }
    )


def test_clip_two_and_two_steps_equal_four(clip_config: ClipTrainConfig, tmp_path: Path) -> None:
    train_clip(clip_config, tmp_path / "whole")
    train_clip(clip_config, tmp_path / "parts", stop_after=2)
    train_clip(clip_config, tmp_path / "parts")
    assert_same_files(tmp_path / "whole/state", tmp_path / "parts/state")
    assert_same_files(tmp_path / "whole/checkpoint", tmp_path / "parts/checkpoint")


def test_vla_two_and_two_steps_equal_four(vla_config: VLATrainConfig, tmp_path: Path) -> None:
    train_vla(vla_config, tmp_path / "whole")
    train_vla(vla_config, tmp_path / "parts", stop_after=2)
    train_vla(vla_config, tmp_path / "parts")
    assert_same_files(tmp_path / "whole/state", tmp_path / "parts/state")
    assert_same_files(tmp_path / "whole/checkpoint", tmp_path / "parts/checkpoint")


def test_a_finished_run_keeps_its_record(vla_config: VLATrainConfig, tmp_path: Path) -> None:
    first = train_vla(vla_config, tmp_path)
    config = tmp_path / "checkpoint/config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"calibration": None, "note": "mine"}))
    assert train_vla(vla_config, tmp_path) == first
    assert json.loads(config.read_text())["note"] == "mine"


def test_a_run_goes_on_with_the_same_data_and_settings_only(
    vla_config: VLATrainConfig, clip_config: ClipTrainConfig, dataset_folder: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(dataset_folder, tmp_path / "other"))
    (other / "meta/collection.json").write_text("{}")
    for kind, train, config in (("vla", train_vla, vla_config), ("clip", train_clip, clip_config)):
        out = tmp_path / kind
        train(config, out, stop_after=1)  # type: ignore[operator]
        for changes in ({"data": str(other)}, {"loop": config.loop.model_copy(update={"seed": 9})}):
            with pytest.raises(DataError, match="a run with other data or settings"):
                train(config.model_copy(update=changes), out)  # type: ignore[operator]
        longer = config.loop.model_copy(update={"steps": 5, "log_every": 1})
        report = train(config.model_copy(update={"loop": longer}), out)  # type: ignore[operator]
        assert report["metrics"]["step"] == 5


def test_a_trained_clip_is_an_open_clip_folder(clip_config: ClipTrainConfig, tmp_path: Path) -> None:
    report = train_clip(clip_config, tmp_path)
    folder = tmp_path / "checkpoint"
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    weights = load_file(folder / "open_clip_model.safetensors")
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert open_clip.get_model_preprocess_cfg(model)["mean"] == list(open_clip.OPENAI_DATASET_MEAN)
    # Its tokenizer reads a caption as training did: begin, text, end, padding; too long a text keeps its end.
    tokenizer = load_tokenizer(Path(clip_config.tokenizer))
    captions = ["a red block on the left", "赤いブロック", "red " * 40]
    expected = np.stack([caption_ids(tokenizer, text, 24) for text in captions])
    found = open_clip.get_tokenizer(f"local-dir:{folder}")([text.strip() for text in captions])
    assert found.tolist() == expected.tolist()
    _, visual = load_vision("unused", str(folder), [1])
    assert visual is not None and visual.keys() == model.visual.state_dict().keys()
    assert json.loads((folder / "run.json").read_text()) == report
    assert report["data"]["fingerprint"] == DemonstrationDataset(clip_config.data).fingerprint
    assert report["config"]["loop"]["seed"] == 0
    assert 0 <= report["metrics"]["accuracy"] <= 1
    assert str(tmp_path) not in (folder / "open_clip_config.json").read_text(), "a checkpoint can be moved"


def test_a_caption_has_a_begin_and_an_end(tokenizer_folder: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_folder)
    short, long = caption_ids(tokenizer, "red", 12), caption_ids(tokenizer, "red block " * 20, 12)
    assert short.dtype == np.int64 and len(short) == len(long) == 12
    assert short[0] == long[0] == tokenizer.bos_token_id
    assert short.tolist().count(tokenizer.eos_token_id) == 1 and short[-1] == tokenizer.pad_token_id
    assert long[-1] == tokenizer.eos_token_id


def test_the_sigmoid_loss_learns_its_bias(clip_config: ClipTrainConfig, tmp_path: Path) -> None:
    train_clip(clip_config.model_copy(update={"loss": "siglip"}), tmp_path)
    folder = tmp_path / "checkpoint"
    bias = load_file(folder / "open_clip_model.safetensors")["logit_bias"]
    assert float(bias) == pytest.approx(-10, abs=0.5) and float(bias) != -10
    model = open_clip.create_model(f"local-dir:{folder}")
    assert torch.equal(model.logit_bias, bias)


def test_a_trained_model_acts_and_answers(
    vla_config: VLATrainConfig, dataset_folder: Path, tmp_path: Path
) -> None:
    report = train_vla(vla_config, tmp_path)
    dataset = DemonstrationDataset(dataset_folder)
    engine = Engine.load(tmp_path / "checkpoint")
    frames = [0, 5]
    images = np.stack([dataset.image(f) for f in frames])
    chunks = engine.act(images, dataset.states[frames], [dataset.instruction(f) for f in frames])
    assert chunks[0].actions.shape == (2, 7)
    assert (chunks[0].actions[:, 3:5] == 0).all()  # the demonstrations never tilt the hand
    assert len(engine.ask(images, ["where is the red block?", "is there a red block?"])) == 2
    assert engine.config.embodiments == embodiment_statistics(dataset)
    assert json.loads((tmp_path / "checkpoint/run.json").read_text()) == report
    assert report["data"]["fingerprint"] == dataset.fingerprint
    assert {"stage", "commit", "config", "data", "metrics"} <= report.keys()
    assert report["metrics"]["loss"] > 0


def test_training_goes_on_from_a_checkpoint(vla_config: VLATrainConfig, tmp_path: Path) -> None:
    train_vla(vla_config, tmp_path / "first")
    first = tmp_path / "first/checkpoint"
    frozen = vla_config.loop.model_copy(update={"learning_rate": 1e-30, "weight_decay": 0.0})
    again = vla_config.model_copy(update={"model": None, "init": str(first), "loop": frozen})
    train_vla(again, tmp_path / "second")
    assert_same_files(first, tmp_path / "second/checkpoint")
    calibrated = json.loads((first / "config.json").read_text())
    calibrated["calibration"] = Calibration({"words": (2.0, 0.0)}, 0.5).as_dict()
    (first / "config.json").write_text(json.dumps(calibrated))
    train_vla(again, tmp_path / "third")  # other weights are not as sure as those were
    assert Engine.load(tmp_path / "third/checkpoint").calibration == Calibration()


def test_training_needs_a_model_and_a_dataset(vla_config: VLATrainConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`model` or an existing checkpoint as `init`"):
        train_vla(vla_config.model_copy(update={"model": None}), tmp_path / "out")
    with pytest.raises(DataError, match=r"no dataset at .*nowhere"):
        train_vla(vla_config.model_copy(update={"data": str(tmp_path / "nowhere")}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_supervised_loss_worked_by_hand() -> None:
    # Words are ids 0..9, <state> is 9, bins are 10..265. The model gives every token the same chance but one.
    vocabulary, start = 266, 10
    config = VLAConfig(
        state_token_id=9, bin_token_start=start, decoder_config={"n_embd": 8, "n_layer": 1, "n_head": 1}
    )
    none = -100
    batch = {
        "input_ids": torch.tensor([[1, 9, 15, 3], [1, 4, 5, 6]]),
        "position_ids": torch.zeros(2, 4, dtype=torch.long),
        "pixel_values": torch.zeros(2, 1, 1, 3, dtype=torch.uint8),
        # Row 0: a motion turn (bin 5) and a word; row 1: a location (bin 7) in the first turn, but no state.
        "segments": torch.tensor([[0, 1, 1, 2], [0, 1, 1, 1]]),
        "labels": torch.tensor([[none, start + 5, none, 3], [none, none, start + 7, none]]),
    }
    logits = torch.zeros(3, vocabulary)
    logits[1, 3] = math.log(2)  # the word

    def model(**inputs: Any) -> SimpleNamespace:
        assert torch.equal(inputs["logits_at"], batch["labels"] >= 0)
        return SimpleNamespace(logits=logits)

    loss, parts = supervised_loss(config, bin_sigma=0.0, place_weight=3.0)(model, batch)  # type: ignore[arg-type]
    uniform, word = math.log(vocabulary), math.log((vocabulary + 1) / 2)
    assert float(parts["loss/motion"]) == pytest.approx(uniform)
    assert float(parts["loss/location"]) == pytest.approx(uniform)
    assert float(parts["loss/words"]) == pytest.approx(word)
    assert float(loss) == pytest.approx((3 * uniform + uniform + word) / 5)


def test_the_plans_and_actions_of_several_instructions_are_told_apart() -> None:
    # <state> is 9, bins are 10..265; two instructions, each a plan of two bins and an action of one; a place.
    start, none = 10, -100
    config = VLAConfig(
        state_token_id=9,
        bin_token_start=start,
        plan=True,
        decoder_config={"n_embd": 8, "n_layer": 1, "n_head": 1},
    )
    bins = [start + number for number in range(7)]
    batch = {
        "input_ids": torch.tensor([[1, 9, 3, *bins[:3], 9, 3, *bins[3:6], 4, bins[6]]]),
        "position_ids": torch.zeros(1, 13, dtype=torch.long),
        "pixel_values": torch.zeros(1, 1, 1, 3, dtype=torch.uint8),
        "segments": torch.tensor([[0, *[1] * 5, *[2] * 5, 3, 3]]),
        "labels": torch.tensor([[none, none, *bins[:3], none, none, *bins[3:6], none, bins[6], none]]),
    }
    logits = torch.zeros(7, 266)
    logits[range(7), bins] = torch.arange(7.0)

    def model(**inputs: Any) -> SimpleNamespace:
        return SimpleNamespace(logits=logits)

    _, parts = supervised_loss(config, bin_sigma=0.0, place_weight=1.0)(model, batch)  # type: ignore[arg-type]
    losses = [math.log(265 + math.exp(number)) - number for number in range(7)]
    for name, its in (("plan", (0, 1, 3, 4)), ("motion", (2, 5)), ("location", (6,))):
        expected = sum(losses[number] for number in its) / len(its)
        assert float(parts[f"loss/{name}"]) == pytest.approx(expected, rel=1e-4)


def test_a_batch_with_nothing_to_learn_costs_nothing(make_model: Any) -> None:
    model, processor = make_model()
    ids = torch.tensor([processor.prefix_ids()])
    batch = {
        "input_ids": ids,
        "position_ids": torch.arange(ids.shape[1])[None],
        "segments": torch.zeros_like(ids),
        "labels": torch.full_like(ids, -100),
        "pixel_values": torch.zeros(1, 32, 32, 3, dtype=torch.uint8),
    }
    loss, parts = supervised_loss(model.config, bin_sigma=2.0, place_weight=1.0)(model, batch)
    assert loss.item() == 0.0 and all(value.isnan() for value in parts.values())


@pytest.mark.slow
def test_a_small_dataset_is_learned_by_heart(
    vla_config: VLATrainConfig, dataset_folder: Path, tmp_path: Path
) -> None:
    assert vla_config.model is not None and vla_config.model.decoder.config is not None
    plain = {**vla_config.model.decoder.config, "resid_pdrop": 0.0}
    decoder = vla_config.model.decoder.model_copy(update={"config": plain})
    steps = {"steps": 600, "batch_size": 16, "warmup_steps": 20, "log_every": 50, "checkpoint_every": 1000}
    changes = {
        "model": vla_config.model.model_copy(update={"decoder": decoder}),
        "mixture": MixtureConfig(motion_share=1.0, questions_per_image=0),
        "loop": LoopConfig(**(LOOP | steps)),
    }
    train_vla(vla_config.model_copy(update=changes), tmp_path)
    dataset, engine = DemonstrationDataset(dataset_folder), Engine.load(tmp_path / "checkpoint")
    frames = np.flatnonzero(~dataset.is_still)
    images = np.stack([dataset.image(int(f)) for f in frames])
    chunks = engine.act(images, dataset.states[frames], [dataset.instruction(int(f)) for f in frames])
    errors = [
        np.abs(chunk.actions[0] - dataset.actions[f]).mean() for chunk, f in zip(chunks, frames, strict=True)
    ]
    assert np.mean(errors) < 0.1  # the actions were drawn at random: guessing is 0.4 away


SCRIPT = """
import sys
from pathlib import Path
from vla.config import ClipTrainConfig, VLATrainConfig
from vla.config_files import load_config
from vla.training.contrastive import train_clip
from vla.training.supervised import train_vla

kind, config, out = sys.argv[1:]
if kind == "clip":
    train_clip(load_config(Path(config), ClipTrainConfig), Path(out))
else:
    train_vla(load_config(Path(config), VLATrainConfig), Path(out))
"""


def train_in_two_processes(kind: str, config: ClipTrainConfig | VLATrainConfig, folder: Path) -> Path:
    save_config(config, folder / "config.yaml")
    (folder / "script.py").write_text(SCRIPT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    out = folder / "two"
    environment = {
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    result = subprocess.run(
        [*launch, str(folder / "script.py"), kind, str(folder / "config.yaml"), str(out)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-4000:]
    return out


@pytest.mark.slow
def test_two_processes_train_clip_as_one_with_twice_the_batch(
    clip_config: ClipTrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = train_in_two_processes("clip", clip_config, tmp_path)
    draw = CaptionBatches.__getitem__

    def both(self: CaptionBatches, step: int) -> Batch:
        first, second = draw(self, 2 * step), draw(self, 2 * step + 1)
        return {name: torch.cat([first[name], second[name]]) for name in first}

    monkeypatch.setattr(CaptionBatches, "__getitem__", both)
    train_clip(clip_config, tmp_path / "one")
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    models = [
        open_clip.create_model(f"local-dir:{folder / 'checkpoint'}").eval()
        for folder in (out, tmp_path / "one")
    ]
    with torch.no_grad():
        features = [model.encode_image(images, normalize=True) for model in models]
    torch.testing.assert_close(features[0], features[1], atol=1e-3, rtol=1e-3)


@pytest.mark.slow
def test_two_processes_train_vla_on_the_mean_of_their_gradients(
    vla_config: VLATrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert vla_config.model is not None and vla_config.model.decoder.config is not None
    still = {**vla_config.model.decoder.config, "resid_pdrop": 0.0}
    decoder = vla_config.model.decoder.model_copy(update={"config": still})
    changes = {
        "model": vla_config.model.model_copy(update={"decoder": decoder}),
        # One image a process: at some steps one sees no motion, and its state projector has no gradient.
        "loop": vla_config.loop.model_copy(update={"batch_size": 1, "steps": 6}),
    }
    config = vla_config.model_copy(update=changes)
    out = train_in_two_processes("vla", config, tmp_path)
    draw, make_loss = CoFineTuningBatches.__getitem__, supervised.supervised_loss

    def both(self: CoFineTuningBatches, step: int) -> Batch:
        pair = [draw(self, 2 * step), draw(self, 2 * step + 1)]
        return {f"{index}{name}": value for index, batch in enumerate(pair) for name, value in batch.items()}

    def mean_loss(*arguments: Any) -> LossFunction:
        loss = make_loss(*arguments)

        def mean(model: nn.Module, pair: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
            batches = [
                {name[1:]: value for name, value in pair.items() if name[0] == index} for index in "01"
            ]
            losses = [loss(model, batch)[0] for batch in batches]
            return (losses[0] + losses[1]) / 2, {}

        return mean

    monkeypatch.setattr(CoFineTuningBatches, "__getitem__", both)
    monkeypatch.setattr(supervised, "supervised_loss", mean_loss)
    train_vla(config, tmp_path / "one")
    models = [load_model(folder / "checkpoint") for folder in (out, tmp_path / "one")]
    images = torch.randint(
        0, 256, (1, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    processor = models[0][1]
    ids = torch.tensor([[*processor.prefix_ids(), *processor.motion_ids("pick up the red block")]])
    states = torch.linspace(-1, 1, 7)[None]
    with torch.no_grad():
        logits = [model(input_ids=ids, pixel_values=images, states=states).logits for model, _ in models]
    torch.testing.assert_close(logits[0], logits[1], atol=2e-3, rtol=2e-3)
