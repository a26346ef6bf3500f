import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from vla.config import DecoderPart, ModelConfig, VisionPart
from vla.errors import CheckpointError, ConfigError, UnknownNameError
from vla.model import vision
from vla.model.build import build_model
from vla.model.modeling_vla import VLAForConditionalGeneration
from vla.model.vision import VisionTower, load_vision, token_shape

TIMM_CNN = {"timm_model_name": "test_resnet", "timm_model_pretrained": False, "image_size": 64}
# Its relative positions are buffers that no checkpoint holds.
TIMM_BUFFERS = {"timm_model_name": "test_vit_relpos", "timm_model_pretrained": False, "image_size": 160}


def picture(size: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (2, size, size, 3), dtype=np.uint8))


def write_architecture(folder: Path, name: str, vision_cfg: dict[str, Any]) -> Path:
    path = folder / f"{name}.json"
    text = {"context_length": 8, "vocab_size": 20, "width": 16, "heads": 2, "layers": 1}
    timm = {"timm_pool": "avg", "timm_proj": "linear"} if "timm_model_name" in vision_cfg else {}
    path.write_text(json.dumps({"embed_dim": 16, "vision_cfg": {**vision_cfg, **timm}, "text_cfg": text}))
    return path


@pytest.fixture(scope="module")
def clip(vit_json: Path) -> torch.nn.Module:
    """A whole CLIP of the tiny architecture, as someone might have trained it elsewhere."""
    open_clip.add_model_config(vit_json)
    torch.manual_seed(1)
    return open_clip.create_model(vit_json.stem)


@pytest.fixture
def weights_file(request: pytest.FixtureRequest, clip: torch.nn.Module, tmp_path: Path) -> Path:
    path = tmp_path / f"weights{request.param}"
    if request.param == ".safetensors":
        save_file(clip.state_dict(), path)
    else:
        torch.save(clip.state_dict(), path)
    return path


@torch.no_grad()
def test_tokens_are_open_clips_own_feature_maps(vit_json: Path, clip: torch.nn.Module) -> None:
    config, _ = load_vision(str(vit_json), None, [0, 1])
    tower = VisionTower(config).eval()
    tower.visual.load_state_dict(clip.visual.state_dict(), strict=False)
    images = picture(32)
    tokens = tower(images)
    assert tokens.shape == (2, 16, 64)
    mean, std = torch.tensor(config["image_mean"]), torch.tensor(config["image_std"])
    normalised = ((images / 255.0 - mean) / std).permute(0, 3, 1, 2)
    maps = clip.eval().visual.forward_intermediates(normalised, indices=[0, 1], output_fmt="NLC")[
        "image_intermediates"
    ]
    torch.testing.assert_close(tokens, torch.cat(maps, dim=-1), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 3), (2, 1), (3, 3)])
def test_tokens_are_in_reading_order(vit_json: Path, clip: torch.nn.Module, row: int, column: int) -> None:
    config, _ = load_vision(str(vit_json), None, [0])
    tower = VisionTower(config).eval()
    tower.visual.load_state_dict(clip.visual.state_dict(), strict=False)
    before, after = picture(32), picture(32)
    after[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 255  # one patch
    change = (tower(after) - tower(before)).norm(dim=-1).sum(dim=0)
    assert int(change.argmax()) == 4 * row + column


@torch.no_grad()
def test_finer_maps_are_folded_onto_the_coarsest(tmp_path: Path) -> None:
    path = write_architecture(tmp_path, "test_tiny_cnn", TIMM_CNN)
    coarse = VisionTower(load_vision(str(path), None, [3])[0]).eval()
    both = VisionTower(load_vision(str(path), None, [2, 3])[0]).eval()
    both.load_state_dict(coarse.state_dict(), strict=False)
    fine = VisionTower(load_vision(str(path), None, [2])[0]).eval()
    fine.load_state_dict(coarse.state_dict(), strict=False)
    images = picture(64)
    few, many = coarse(images), fine(images)
    row = int(many.shape[1] ** 0.5)
    tokens = both(images)
    assert many.shape[1] == 4 * few.shape[1]
    assert tokens.shape == (2, few.shape[1], few.shape[2] + 4 * many.shape[2])
    torch.testing.assert_close(tokens[..., -few.shape[2] :], few)
    # Coarse token 0 holds the four fine tokens of its corner: 0 and 1, and those a row below.
    corner = tokens[:, 0, : 4 * many.shape[2]].reshape(2, many.shape[2], 4)
    torch.testing.assert_close(corner.transpose(1, 2), many[:, [0, 1, row, row + 1]])


def test_what_lies_behind_the_last_layer_is_not_kept(vit_json: Path) -> None:
    sizes = [
        sum(p.numel() for p in VisionTower(load_vision(str(vit_json), None, [n])[0]).parameters())
        for n in (0, 1)
    ]
    assert sizes[0] < sizes[1]


def test_token_shape_leaves_the_mode_alone(vit_json: Path) -> None:
    tower = VisionTower(load_vision(str(vit_json), None, [0, 1])[0])
    assert token_shape(tower, 32) == (16, 64)
    assert tower.training


@pytest.mark.parametrize("name", ["ViT-B-16", "ViT-B-32-quickgelu", "RN50", "ViT-B-16-SigLIP"])
def test_open_clips_own_architectures_are_known_by_name(name: str) -> None:
    config, weights = load_vision(name, None, [-1])
    assert weights is None
    assert config["model"]["vision_cfg"]["image_size"] == 224
    assert bool(config["model"].get("quick_gelu")) == ("quickgelu" in name)


@torch.no_grad()
def test_open_clips_own_resnet_gives_tokens(tmp_path: Path) -> None:
    vision_cfg = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}
    tower = VisionTower(
        load_vision(str(write_architecture(tmp_path, "test_tiny_rn", vision_cfg)), None, [3, 4])[0]
    )
    assert token_shape(tower, 64) == (4, 8 * 32 + 4 * 8 * 16)


@pytest.mark.parametrize("weights_file", [".safetensors", ".pt"], indirect=True)
def test_weights_in_a_local_file_are_loaded(
    vit_json: Path, clip: torch.nn.Module, weights_file: Path
) -> None:
    config, weights = load_vision(str(vit_json), str(weights_file), [1])
    assert weights is not None
    own = clip.visual.state_dict()
    assert weights.keys() == own.keys()
    assert all(torch.equal(weights[name], own[name]) for name in own)
    assert config["image_mean"] == list(open_clip.OPENAI_DATASET_MEAN)


def write_clip_folder(folder: Path, clip: torch.nn.Module, architecture: Path) -> Path:
    """An open_clip checkpoint folder with a normalisation of its own."""
    folder.mkdir()
    save_file(clip.state_dict(), folder / "open_clip_model.safetensors")
    preprocess = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.25]}
    described = {"model_cfg": json.loads(architecture.read_text()), "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    return folder


def test_a_checkpoint_folder_brings_weights_and_normalisation(
    vit_json: Path, clip: torch.nn.Module, tmp_path: Path
) -> None:
    folder = write_clip_folder(tmp_path / "clip", clip, vit_json)
    config, weights = load_vision("unused", str(folder), [1])
    assert weights is not None
    own = clip.visual.state_dict()
    assert weights.keys() == own.keys()
    assert all(torch.equal(weights[name], own[name]) for name in own)
    assert config["image_mean"] == [0.5, 0.4, 0.3]
    assert config["image_std"] == [0.2, 0.2, 0.25]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_one_config_line_puts_a_pretrained_clip_into_the_model(
    kind: str, vit_json: Path, clip: torch.nn.Module, tokenizer_folder: Path, tmp_path: Path
) -> None:
    pretrained = write_clip_folder(tmp_path / "clip", clip, vit_json)
    if kind == "file":
        pretrained = pretrained / "open_clip_model.safetensors"
    config = ModelConfig(
        vision=VisionPart(architecture=str(vit_json), pretrained=str(pretrained), layers=[0, 1]),
        decoder=DecoderPart(config={"model_type": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 2}),
        tokenizer=str(tokenizer_folder),
    )
    statistics = {"panda": {key: {"q01": [-1.0] * 7, "q99": [1.0] * 7} for key in ("action", "state")}}
    model, _ = build_model(config, statistics, [[0.3, 0.7], [-0.3, 0.3]])
    own = clip.visual.state_dict()
    held = model.vision.visual.state_dict()
    assert held.keys() <= own.keys()
    assert all(torch.equal(held[name], own[name]) for name in held)


def test_openais_weights_bring_their_activation(
    monkeypatch: pytest.MonkeyPatch, clip: torch.nn.Module
) -> None:
    # OpenAI trained with QuickGELU, which the plain architecture names do not say.
    monkeypatch.setattr(vision.open_clip, "create_model", lambda *args, **kwargs: clip)
    assert load_vision("ViT-B-16", "openai", [-1])[0]["model"]["quick_gelu"] is True
    assert not load_vision("ViT-B-16", "laion2b_s34b_b88k", [-1])[0]["model"].get("quick_gelu")
    siglip = load_vision("ViT-B-16-SigLIP", "webli", [-1])[0]
    assert siglip["image_mean"] == [0.5, 0.5, 0.5]


def test_buffers_that_no_checkpoint_holds_survive_a_round_trip(tmp_path: Path) -> None:
    path = write_architecture(tmp_path, "test_tiny_relpos", TIMM_BUFFERS)
    vision_config, _ = load_vision(str(path), None, [-1])
    torch.manual_seed(0)
    tower = VisionTower(vision_config)
    tokens, channels = token_shape(tower, 160)
    lost = [name for module in tower.modules() for name in module._non_persistent_buffers_set]
    assert lost, "this test needs an encoder with such buffers"
    model = VLAForConditionalGeneration(
        VLAForConditionalGeneration.config_class(
            vision_config={**vision_config, "token_channels": channels},
            decoder_config={"model_type": "gpt2", "n_embd": 8, "n_layer": 1, "n_head": 1, "vocab_size": 300}
            | {"bos_token_id": 1, "eos_token_id": 2},
            image_size=160,
            num_image_tokens=tokens,
        )
    )
    model.save_pretrained(tmp_path / "model")
    loaded = VLAForConditionalGeneration.from_pretrained(tmp_path / "model")
    buffers = dict(loaded.named_buffers())
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in model.named_buffers())


@pytest.mark.parametrize(
    ("architecture", "pretrained", "error", "message"),
    [
        ("ViT-B-61", None, UnknownNameError, "did you mean 'ViT-B-16'"),
        ("nowhere.json", None, ConfigError, "nowhere.json does not exist"),
        ("ViT-B-32", "nowhere.safetensors", CheckpointError, "nowhere.safetensors"),
        ("ViT-B-32", "opnai", CheckpointError, "opnai"),
    ],
)
def test_what_cannot_be_found_is_named(
    architecture: str, pretrained: str | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        load_vision(architecture, pretrained, [-1])


@pytest.mark.parametrize("missing", ["open_clip_config.json", "open_clip_model.safetensors"])
def test_an_incomplete_folder_is_refused(
    missing: str, vit_json: Path, clip: torch.nn.Module, tmp_path: Path
) -> None:
    folder = write_clip_folder(tmp_path / "clip", clip, vit_json)
    (folder / missing).unlink()
    with pytest.raises(CheckpointError, match=missing):
        load_vision(str(vit_json), str(folder), [1])


def test_weights_of_another_architecture_are_refused(clip: torch.nn.Module, tmp_path: Path) -> None:
    save_file(clip.state_dict(), tmp_path / "other.safetensors")
    path = write_architecture(
        tmp_path, "test_tiny_other", {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8}
    )
    with pytest.raises(CheckpointError, match=r"other\.safetensors"):
        load_vision(str(path), str(tmp_path / "other.safetensors"), [0])


def test_a_json_that_is_no_architecture_is_refused(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"embed_dim": 3}'):
        (tmp_path / "broken.json").write_text(text)
        with pytest.raises(ConfigError, match=r"broken.json"):
            load_vision(str(tmp_path / "broken.json"), None, [0])


def test_a_second_camera_leaves_the_statistics_of_the_first_alone(tmp_path: Path) -> None:
    config, _ = load_vision(str(write_architecture(tmp_path, "second_camera_cnn", TIMM_CNN)), None, [1, 2])
    tower = VisionTower(config).train()
    tower(picture(64))
    before = {name: buffer.clone() for name, buffer in tower.named_buffers()}
    assert before
    features = tower(picture(64, seed=1), second=True)
    features.sum().backward()  # it is learned from nevertheless
    for name, buffer in tower.named_buffers():
        torch.testing.assert_close(buffer, before[name], rtol=0, atol=0)
    assert all(module.training for module in tower.visual.modules())
    torch.testing.assert_close(features, tower.eval()(picture(64, seed=1)))
    assert any(parameter.grad is not None for parameter in tower.parameters())
