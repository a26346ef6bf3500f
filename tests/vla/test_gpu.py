"""A GPU must do what a processor does, and compiled code what the code does that it was made from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.vla.conftest import ModelFactory
from tests.vla.runs import LOOP
from vla.config import VLATrainConfig
from vla.errors import ConfigError
from vla.inference.engine import Engine
from vla.training.supervised import compile_for_training, train_vla

GPU = pytest.param("auto", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"))
DEVICES = [pytest.param("cpu", marks=pytest.mark.slow), GPU]  # to compile for a processor takes a minute


@pytest.fixture
def train(
    vit_json: Path, tokenizer_folder: Path, dataset_folder: Path, decoder_configs: dict[str, Any]
) -> Callable[..., dict[str, float]]:
    """Train for four steps into a folder, on a device, compiled or not; gives the last losses."""
    decoder = {**decoder_configs["gpt2"], "initializer_range": 0.02}
    vision = {"architecture": str(vit_json), "layers": [0, 1]}
    model = {"vision": vision, "decoder": {"config": decoder}, "tokenizer": str(tokenizer_folder)}

    def run(out: Path, device: str, **changes: Any) -> dict[str, float]:
        config = {
            "model": {**model, "action_horizon": 2, "wrist_image_size": 32},
            "data": str(dataset_folder),
            "mixture": {"questions_per_image": 2},
            "loop": {**LOOP, "batch_size": 8, "device": device},
        }
        return train_vla(VLATrainConfig.model_validate(config | changes), out)["metrics"]

    return run


@pytest.mark.usefixtures("fresh_accelerator")
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.filterwarnings("ignore")  # of the compiler
def test_compiled_training_learns_the_same(
    device: str, train: Callable[..., dict[str, float]], tmp_path: Path
) -> None:
    eager, compiled = (
        train(tmp_path / name, device, compile=name == "compiled") for name in ("eager", "compiled")
    )
    assert compiled["loss"] == pytest.approx(eager["loss"], rel=1e-3)
    assert compiled["loss/words"] == pytest.approx(eager["loss/words"], rel=1e-3)


def test_a_missing_compiler_is_named(make_model: ModelFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="needs a C compiler; install gcc, or set compile=false"):
        compile_for_training(make_model()[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_decides_and_answers_as_a_processor_does(make_model: ModelFactory) -> None:
    rng = np.random.default_rng(0)
    images, wrists = rng.integers(0, 256, (2, 3, 32, 32, 3), dtype=np.uint8)
    states = rng.uniform(-0.4, 0.6, (3, 7)).astype(np.float32)
    model, processor = make_model(wrist=True)
    told, asked = ["pick up the red block"] * 3, ["where is the red block?", "why?", "is it red?"]
    slow = Engine(model, processor)
    expected = slow.act(images, states, told, wrists), slow.ask(images, asked)
    fast = Engine(model.to("cuda"), processor)
    chunks, answers = fast.act(images, states, told, wrists), fast.ask(images, asked)
    for one, other in zip(chunks, expected[0], strict=True):
        np.testing.assert_allclose(one.actions, other.actions, atol=0.05)  # a few bins of 256
    assert [answer.text for answer in answers] == [answer.text for answer in expected[1]]
