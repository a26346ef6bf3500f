import itertools
import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import Dataset

from vla.config import ClipTrainConfig, LoopConfig, VLATrainConfig, save_config
from vla.data.mixture import CoFineTuningBatches
from vla.data.reader import DemonstrationDataset
from vla.errors import ConfigError, DataError, VLAError
from vla.inference.engine import Engine
from vla.model.configuration_vla import VLAConfig
from vla.model.vision import load_vision
from vla.text.tokenizer import load_tokenizer
from vla.training import supervised
from vla.training.checkpoint import load_model
from vla.training.contrastive import CaptionBatches, caption_ids, train_clip
from vla.training.loop import Batch, LossFunction, learning_rate, make_accelerator, parameter_groups, train
from vla.training.supervised import supervised_loss, train_vla

LOOP = {
    "steps": 4,
    "batch_size": 3,
    "learning_rate": 1e-2,
    "warmup_steps": 1,
    "precision": "no",
    "device": "cpu",
    "workers": 0,
    "log_every": 1,
    "checkpoint_every": 2,
}


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    """Accelerate keeps the precision of a process; each test here begins as a new process would."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


class Noise(Dataset[Batch]):
    """Regression batches, each a function of its step; `then` is called with every step that is read."""

    def __init__(self, then: Callable[[int], None] = lambda step: None) -> None:
        self.then = then

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, step: int) -> Batch:
        self.then(step)
        generator = torch.Generator().manual_seed(step)
        return {"x": torch.randn(8, 6, generator=generator), "y": torch.randn(8, 2, generator=generator)}


def squared_error(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    loss = (model(batch["x"]) - batch["y"]).square().mean()
    return loss, {"root": loss.detach().sqrt()}


def small_model() -> nn.Module:
    """Something of everything that an interruption must not change: dropout, batch norm, decayed weights."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.GELU(), nn.Linear(8, 2))


def run(out: Path, stop_after: int | None = None, batches: Noise | None = None, **changes: Any) -> nn.Module:
    config = LoopConfig(**(LOOP | changes))
    model = small_model()
    train(model, batches or Noise(), squared_error, config, out, make_accelerator(config), stop_after)
    return model


def assert_same_files(first: Path, second: Path) -> None:
    """The weights and moments of two folders are equal to the bit."""
    for path in sorted(first.glob("*.safetensors")):
        one, two = load_file(path), load_file(second / path.name)
        assert one.keys() == two.keys()
        different = [name for name in one if not torch.equal(one[name], two[name])]
        assert not different, f"{path.name}: {different[:3]}"


class TestSchedule:
    config = LoopConfig(steps=110, batch_size=1, learning_rate=2.0, warmup_steps=10)

    def test_it_rises_to_the_peak_and_falls_as_a_cosine(self) -> None:
        rates = [learning_rate(step, self.config) for step in range(110)]
        assert rates[0] == pytest.approx(0.2)
        assert rates[9] == rates[10] == 2.0
        assert rates[60] == pytest.approx(1.0)
        assert rates[35] == pytest.approx(1.0 + math.cos(math.pi / 4))
        assert all(before > after for before, after in itertools.pairwise(rates[10:]))
        assert 0 < rates[-1] < 0.001

    @pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (5, 0), (3, 10), (10, 10)])
    def test_every_length_works(self, steps: int, warmup: int) -> None:
        config = self.config.model_copy(update={"steps": steps, "warmup_steps": warmup})
        assert all(0 < learning_rate(step, config) <= 2.0 for step in range(steps))


def test_matrices_decay_and_vectors_do_not() -> None:
    model = small_model()
    model[4].weight.requires_grad_(False)
    groups = parameter_groups(model, LoopConfig(**LOOP, weight_decay=0.1))
    rest, decayed = sorted(groups, key=lambda group: group["weight_decay"])
    assert decayed["weight_decay"] == 0.1 and rest["weight_decay"] == 0.0
    assert [id(p) for p in decayed["params"]] == [id(model[0].weight)]
    assert len(rest["params"]) == 4  # biases and the norm's weight
    assert decayed["rate"] == rest["rate"] == 1.0


def test_parts_may_learn_slowly_or_not_at_all(tmp_path: Path) -> None:
    before = small_model().state_dict()
    rates = {"0.": 0.01, "4.weight": 0.0}
    after = run(tmp_path / "whole", rates=rates, weight_decay=0.0).state_dict()
    moved = {name: float((after[name] - before[name]).abs().max()) for name in before if name[0] in "04"}
    assert 0 < moved["0.weight"] < 0.02 * LOOP["learning_rate"] * LOOP["steps"] < moved["4.bias"]
    assert moved["4.weight"] == 0.0
    run(tmp_path / "parts", stop_after=2, rates=rates, weight_decay=0.0)
    run(tmp_path / "parts", rates=rates, weight_decay=0.0)
    assert_same_files(tmp_path / "whole/state", tmp_path / "parts/state")


def test_two_and_two_steps_equal_four(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    run(tmp_path / "parts", stop_after=2)
    assert json.loads((tmp_path / "parts/state/state.json").read_text()) == {"step": 2}
    parts = run(tmp_path / "parts")
    assert_same_files(tmp_path / "whole/state", tmp_path / "parts/state")
    held = parts.state_dict()
    assert all(torch.equal(value, held[name]) for name, value in whole.state_dict().items())


def test_a_finished_run_stays_as_it_is(tmp_path: Path) -> None:
    whole = run(tmp_path).state_dict()
    again = run(tmp_path).state_dict()
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 4


def test_an_interrupted_run_is_saved_and_goes_on(tmp_path: Path) -> None:
    def interrupt(step: int) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", batches=Noise(interrupt))
    assert json.loads((tmp_path / "parts/state/state.json").read_text()) == {"step": 3}
    run(tmp_path / "parts")
    run(tmp_path / "whole")
    assert_same_files(tmp_path / "whole/state", tmp_path / "parts/state")


def unexpected(number: int, frame: object) -> None:
    raise AssertionError(f"signal {number} came through")


@pytest.mark.parametrize(
    ("number", "before"),
    # A shell lets background jobs ignore Ctrl-C.
    [(signal.SIGTERM, unexpected), (signal.SIGINT, signal.SIG_IGN)],
)
def test_a_signal_is_an_interruption(tmp_path: Path, number: signal.Signals, before: Any) -> None:
    def send(step: int) -> None:
        if step == 3:
            os.kill(os.getpid(), number)

    previous = signal.signal(number, before)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, batches=Noise(send))
        assert signal.getsignal(number) is before, "what was there before comes back"
    finally:
        signal.signal(number, previous)
    assert json.loads((tmp_path / "state/state.json").read_text()) == {"step": 3}


def test_training_in_a_thread_leaves_signals_alone(tmp_path: Path) -> None:
    thread = threading.Thread(target=run, args=(tmp_path,))
    thread.start()
    thread.join()
    assert json.loads((tmp_path / "state/state.json").read_text()) == {"step": 4}


def test_a_kill_costs_the_steps_since_the_last_saved_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(step: int) -> None:
        if step == 3:
            monkeypatch.setattr("vla.training.loop.save_training_state", lambda *arguments: None)
            raise Killed

    with pytest.raises(Killed):
        run(tmp_path / "parts", batches=Noise(kill))
    assert json.loads((tmp_path / "parts/state/state.json").read_text()) == {"step": 2}
    monkeypatch.undo()
    run(tmp_path / "parts")
    run(tmp_path / "whole")
    assert_same_files(tmp_path / "whole/state", tmp_path / "parts/state")


def test_a_loss_that_is_no_number_stops_and_spoils_nothing(tmp_path: Path) -> None:
    class Broken(Noise):
        def __getitem__(self, step: int) -> Batch:
            batch = super().__getitem__(step)
            return {**batch, "y": batch["y"] * (math.nan if step == 3 else 1.0)}

    with pytest.raises(VLAError, match="loss is nan at step 4; lower learning_rate"):
        run(tmp_path / "out", batches=Broken())
    # What was saved before is still there, and is what it was.
    run(tmp_path / "whole", stop_after=2)
    assert_same_files(tmp_path / "whole/state", tmp_path / "out/state")


def test_loader_processes_change_nothing(tmp_path: Path) -> None:
    run(tmp_path / "none")
    run(tmp_path / "one", workers=1)
    assert_same_files(tmp_path / "none/state", tmp_path / "one/state")


def test_gradients_are_clipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[float] = []
    step = torch.optim.AdamW.step

    def measured(self: torch.optim.AdamW, *arguments: Any, **options: Any) -> Any:
        gradients = [p.grad.flatten() for group in self.param_groups for p in group["params"]]
        norms.append(float(torch.cat(gradients).norm()))
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", measured)
    run(tmp_path / "clipped", gradient_clip=0.01)
    run(tmp_path / "free", gradient_clip=0.0)
    assert norms[:4] == pytest.approx([0.01] * 4, rel=1e-3)
    assert min(norms[4:]) > 0.1


def test_what_happened_is_logged(tmp_path: Path) -> None:
    config = LoopConfig(**(LOOP | {"log_every": 2}))
    last = train(small_model(), Noise(), squared_error, config, tmp_path, make_accelerator(config))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    assert lines[1]["loss"] == pytest.approx(last["loss"], abs=1e-6)
    assert lines[1]["root"] == pytest.approx(math.sqrt(last["loss"]), abs=1e-5)
    assert lines[0]["learning_rate"] == pytest.approx(learning_rate(1, config))
    assert list((tmp_path / "tensorboard").iterdir())


def test_bf16_trains(tmp_path: Path) -> None:
    model = run(tmp_path, precision="bf16")
    assert all(p.dtype == torch.float32 and bool(torch.isfinite(p).all()) for p in model.parameters())


# The two trainers, on the small dataset.


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
            "questions_per_image": 2,
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
    assert engine.config.embodiments["panda"]["action"]["q99"] == dataset.stats["action"]["q99"]
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
    assert loss.item() == 0.0 and not parts


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
        "motion_share": 1.0,
        "questions_per_image": 0,
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
from vla.config import ClipTrainConfig, VLATrainConfig, load_config
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


def test_a_rate_for_no_part_of_the_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="Valid: 0, 1, 4"):
        parameter_groups(small_model(), LoopConfig(**LOOP, rates={"O": 0.1}))
