"""The smallest of everything that a model is made of: tokenizer, image encoder, decoder, dataset."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState

from sim.still import still_scene
from sim.variations import find_split, slots
from vla.config import DecoderPart, ModelConfig, VisionPart
from vla.data.schema import STILL_INSTRUCTION, image_feature, scalar_feature, vector_feature
from vla.data.writer import DatasetWriter
from vla.model.build import build_model
from vla.model.modeling_vla import VLAForConditionalGeneration
from vla.model.processing_vla import VLAProcessor
from vla.text.tokenizer import train_tokenizer
from vla.training.checkpoint import save_model

IMAGE_SIZE = 32
LOCATION_RANGE = [[0.30, 0.70], [-0.30, 0.30]]  # m
STATE_NAMES = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
ACTION_NAMES = ("dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper")
STATE_STATS = {"q01": [0.3, -0.3, 0.0, -0.1, -0.1, -0.5, 0.0], "q99": [0.7, 0.3, 0.4, 0.1, 0.1, 0.5, 1.0]}
# Roll and pitch never moved, as in demonstrations made with the hand pointing down.
ACTION_STATS = {"q01": [-0.9, -0.8, -1.0, 0.0, 0.0, -0.5, -1.0], "q99": [0.9, 0.8, 1.0, 0.0, 0.0, 0.5, 1.0]}
COLORS = {"red": (220, 30, 30), "green": (30, 160, 30), "blue": (30, 60, 220), "yellow": (230, 210, 30)}

# Weights larger than the usual 0.02, so that untrained logits differ clearly and no test hangs on a tie.
GPT2 = {
    "model_type": "gpt2",
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 2,
    "n_positions": 160,
    "initializer_range": 0.3,
    "resid_pdrop": 0.0,
    "embd_pdrop": 0.0,
    "attn_pdrop": 0.0,
}
LLAMA = {
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 160,
    "initializer_range": 0.3,
}
DECODERS = {"gpt2": GPT2, "llama": LLAMA}

ModelFactory = Callable[..., tuple[VLAForConditionalGeneration, VLAProcessor]]


@pytest.fixture
def fresh_accelerator() -> Iterator[None]:
    """Accelerate keeps the precision of a process; each test of training begins as a new process would."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def vit_json(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An open_clip model JSON: a ViT of two layers that gives 16 tokens for an image of 32 pixels."""
    path = tmp_path_factory.mktemp("architecture") / "test_tiny_vit.json"
    vision = {"image_size": IMAGE_SIZE, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8}
    text = {"context_length": 24, "vocab_size": 600, "width": 16, "heads": 2, "layers": 1}
    path.write_text(
        json.dumps({"embed_dim": 16, "vision_cfg": vision, "text_cfg": text, "custom_text": True}) + "\n"
    )
    return path


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved tokenizer of 600 tokens."""
    folder = tmp_path_factory.mktemp("tokenizer")
    lines = [f"Q: what action should the robot take to pick up the {color} block? A:" for color in COLORS]
    lines += ["Q: where is the red block? A:", "Q: 赤いブロックはどこですか A:", " yes no red green blue"]
    train_tokenizer(lines * 4, vocab_size=600).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def decoder_configs() -> dict[str, dict[str, Any]]:
    """Small decoders by name."""
    return DECODERS


@pytest.fixture(scope="session")
def make_model(vit_json: Path, tokenizer_folder: Path) -> ModelFactory:
    """Build a seeded random model in evaluation mode: see its keywords."""

    def make(
        decoder: str = "gpt2",
        horizon: int = 2,
        plan: bool = True,
        wrist: bool = False,
        proprioception: bool = True,
    ) -> tuple[VLAForConditionalGeneration, VLAProcessor]:
        torch.manual_seed(0)
        config = ModelConfig(
            vision=VisionPart(architecture=str(vit_json), layers=[0, 1]),
            decoder=DecoderPart(config=DECODERS[decoder]),
            tokenizer=str(tokenizer_folder),
            wrist_image_size=IMAGE_SIZE if wrist else 0,
            proprioception=proprioception,
            action_horizon=horizon,
            plan=plan,
        )
        statistics = {"panda": {"action": ACTION_STATS, "state": STATE_STATS}}
        model, processor = build_model(config, statistics, LOCATION_RANGE)
        return model.eval(), processor

    return make


@pytest.fixture(scope="session", params=sorted(DECODERS))
def model_and_processor(
    request: pytest.FixtureRequest, make_model: ModelFactory
) -> tuple[VLAForConditionalGeneration, VLAProcessor]:
    """A random model, once a GPT-2 that plans, once a Llama that does not. Tests must not change it."""
    return make_model(request.param, plan=request.param == "gpt2")


@pytest.fixture(scope="session")
def checkpoint_folder(make_model: ModelFactory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved random policy that decides four actions at once."""
    folder = tmp_path_factory.mktemp("policy") / "checkpoint"
    save_model(folder, *make_model("gpt2", 4), {"stage": "test"})
    return folder


@pytest.fixture(scope="session")
def write_demonstrations() -> Callable[..., Path]:
    """The function that wrote `dataset_folder`: `(root, image_size, robot_type)`."""
    return write_dataset


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of four demonstrations and two episodes of stills, drawn as coloured squares."""
    return write_dataset(tmp_path_factory.mktemp("data") / "demos")


def write_dataset(root: Path, image_size: int = IMAGE_SIZE, robot_type: str = "panda") -> Path:
    """Write the dataset of `dataset_folder`."""
    rng = np.random.default_rng(0)
    features = {
        "observation.images.front": image_feature(image_size, image_size),
        "observation.images.wrist": image_feature(2 * image_size, 2 * image_size),
        "observation.state": vector_feature(STATE_NAMES),
        "action": vector_feature(ACTION_NAMES),
        "scene": scalar_feature("string"),
    }
    with DatasetWriter(root, fps=5, robot_type=robot_type, features=features) as writer:
        for length in (5, 7, 6, 8):
            scene = draw_scene(rng)
            actions = rng.uniform(-1, 1, (length, 7))
            actions[:, 3:5] = 0.0  # never tilts
            writer.add_episode(
                _columns([scene] * length, actions, rng, image_size), f"pick up the {scene['target']}"
            )
        for length in (6, 6):
            scenes = [draw_scene(rng) for _ in range(length)]
            writer.add_episode(_columns(scenes, np.zeros((length, 7)), rng, image_size), STILL_INSTRUCTION)
    return root


def draw_scene(rng: np.random.Generator) -> dict[str, Any]:
    """Three blocks of different colours, as `info["scene"]` describes them."""
    scene: dict[str, Any] = dict(still_scene(rng, "basic", slots(find_split("basic"))))
    first = scene["objects"][0]
    colors = [str(color) for color in rng.permutation(list(COLORS))[:3]]
    scene["objects"] = [
        first
        | {
            "name": f"{color} block",
            "shape": "block",
            "color": color,
            "joint": None,
            "orientation": [0.0, 0.0, 0.0, 1.0],
            "position": [
                float(rng.uniform(0.35, 0.65)),
                0.2 * (place - 1) + float(rng.uniform(-0.03, 0.03)),
                0.02,
            ],
        }
        for place, color in enumerate(colors)
    ]
    target = str(scene["objects"][0]["name"])
    scene |= {"task": "pick_up", "instruction": f"pick up the {target}", "target": target, "goal": None}
    scene["gripper"] |= {"position": [0.5, 0.0, 0.2], "opening": 1.0, "holding": None}
    return scene


def _columns(
    scenes: list[dict[str, Any]], actions: np.ndarray, rng: np.random.Generator, image_size: int
) -> dict[str, Any]:
    states = rng.uniform(STATE_STATS["q01"], STATE_STATS["q99"], (len(scenes), 7))
    return {
        "observation.images.front": np.stack([_draw(scene, image_size) for scene in scenes]),
        "observation.images.wrist": np.stack(
            [np.full((2 * image_size, 2 * image_size, 3), i, np.uint8) for i in range(len(scenes))]
        ),
        "observation.state": states.astype(np.float32),
        "action": actions.astype(np.float32),
        "scene": [json.dumps(scene) for scene in scenes],
    }


def _draw(scene: dict[str, Any], size: int) -> np.ndarray:
    image = np.full((size, size, 3), 200, dtype=np.uint8)
    for thing in scene["objects"]:
        row = int((thing["position"][0] - 0.3) / 0.4 * size)
        column = int((thing["position"][1] + 0.3) / 0.6 * size)
        image[row - 2 : row + 2, column - 2 : column + 2] = COLORS[thing["color"]]
    return image
