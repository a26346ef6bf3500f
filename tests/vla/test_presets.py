"""The presets with pretrained parts, through small stand-ins of the same classes and file formats."""

from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.vla.runs import LOOP
from tests.vla.test_decoder import write_pretrained
from vla.config import LoraPart, VLATrainConfig
from vla.config_files import load_config
from vla.inference.engine import Engine
from vla.model.lora import add_adapters, merge_adapters
from vla.training.supervised import train_vla

CONFIGS = Path(__file__).parents[2] / "configs" / "train"

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


@pytest.fixture
def stand_ins(tmp_path: Path, vit_json: Path, dataset_folder: Path) -> list[str]:
    """Overrides that put a small CLIP and a small GPT-2, both from files, in the place of the large ones."""
    open_clip.add_model_config(str(vit_json))
    torch.manual_seed(1)
    clip = open_clip.create_model(vit_json.stem)
    save_file({k: v.contiguous() for k, v in clip.state_dict().items()}, tmp_path / "clip.safetensors")
    language = write_pretrained(tmp_path / "language", "gpt2")
    changes = [
        f"model.vision.architecture={vit_json}",
        f"model.vision.pretrained={tmp_path / 'clip.safetensors'}",
        "model.vision.layers=[1]",
        f"model.decoder.pretrained={language}",
        f"model.tokenizer={language}",
        f"data={dataset_folder}",
        "mixture.max_tokens=150",
    ]
    loop = {name: value for name, value in LOOP.items() if name != "learning_rate"}
    return changes + [f"loop.{name}={value}" for name, value in loop.items()]


@pytest.mark.parametrize("preset", ["vla_base", "vla_llm_jp"])
def test_a_preset_trains_on_pretrained_parts(preset: str, stand_ins: list[str], tmp_path: Path) -> None:
    config = load_config(CONFIGS / f"{preset}.yaml", VLATrainConfig, stand_ins)
    report = train_vla(config, tmp_path / "run")
    assert report["metrics"]["loss"] > 0
    engine = Engine.load(tmp_path / "run" / "checkpoint")
    assert engine.config.action_horizon == 4
    found, clip = (
        load_file(tmp_path / "run/checkpoint/model.safetensors"),
        load_file(tmp_path / "clip.safetensors"),
    )
    kept = [torch.equal(found[f"vision.{name}"], clip[name]) for name in clip if f"vision.{name}" in found]
    assert kept and all(kept) == (preset == "vla_llm_jp"), "its image encoder is frozen"


def test_adapters_change_matrices_by_a_low_rank_and_leave_no_trace(make_model: Any) -> None:
    model, _ = make_model("llama")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    add_adapters(model, LoraPart(rank=2, alpha=4))
    decoder = dict(model.decoder.named_parameters())
    trained = {name for name, value in decoder.items() if value.requires_grad}
    assert trained and all("lora_" in name or "embed" in name or "lm_head" in name for name in trained)
    for name in trained:
        if "lora_" in name:
            torch.nn.init.normal_(decoder[name])
    ids = torch.arange(1, 9)[None]
    adapted = model(input_ids=ids).logits
    merge_adapters(model)
    torch.testing.assert_close(model(input_ids=ids).logits, adapted, atol=1e-3, rtol=1e-3)
    after = model.state_dict()
    assert after.keys() == before.keys()
    changed = [name for name in after if not torch.equal(after[name], before[name])]
    assert changed and all(
        torch.linalg.matrix_rank(after[name] - before[name], atol=1e-3) <= 2 for name in changed
    )
