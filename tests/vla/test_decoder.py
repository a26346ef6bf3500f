from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from vla.config import DecoderPart, ModelConfig, VisionPart
from vla.errors import CheckpointError, ConfigError, UnknownNameError
from vla.inference.engine import Engine
from vla.model.build import build_model, load_any_tokenizer
from vla.model.decoder import build_decoder, load_decoder
from vla.text.tokenizer import bin_token_start

END = "<|endoftext|>"


def write_pretrained(folder: Path, kind: str) -> Path:
    """A small language model with a tokenizer of its own, as one would download it."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(["the red block is on the table"] * 3, trainer)
    end = {"bos_token": END, "eos_token": END}
    PreTrainedTokenizerFast(tokenizer_object=backend, **end).save_pretrained(folder)
    vocabulary = backend.get_vocab_size()
    ids = {"bos_token_id": 0, "eos_token_id": 0}
    torch.manual_seed(3)
    if kind == "gpt2":
        config = GPT2Config(vocab_size=vocabulary, n_embd=16, n_layer=2, n_head=2, n_positions=160, **ids)
        GPT2LMHeadModel(config).save_pretrained(folder)
    else:
        # Published models often have more embeddings than their tokenizer has tokens.
        config = LlamaConfig(
            vocab_size=vocabulary + 9,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=160,
            **ids,
        )
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def pretrained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pretrained(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def built(pretrained: Path, vit_json: Path) -> Any:
    config = ModelConfig(
        vision=VisionPart(architecture=str(vit_json), layers=[1]),
        decoder=DecoderPart(pretrained=str(pretrained)),
        tokenizer=str(pretrained),
        action_horizon=1,
    )
    statistics = {"panda": {key: {"q01": [-1.0] * 7, "q99": [1.0] * 7} for key in ("action", "state")}}
    torch.manual_seed(0)
    model, processor = build_model(config, statistics, [[0.3, 0.7], [-0.3, 0.3]])
    return model.eval(), processor


def test_one_config_line_keeps_the_pretrained_weights(built: Any, pretrained: Path) -> None:
    model, processor = built
    original = AutoModelForCausalLM.from_pretrained(pretrained).state_dict()
    held = model.decoder.state_dict()
    assert held.keys() == original.keys()
    old = bin_token_start(processor.tokenizer) - 3  # <pad>, <image> and <state> come before the bins
    for name, before in original.items():
        after = held[name]
        if after.shape == before.shape:
            assert torch.equal(after, before), name
        else:
            assert after.shape[0] == len(processor.tokenizer)
            assert torch.equal(after[:old], before[:old]), name


@torch.no_grad()
def test_text_alone_is_read_as_before(built: Any, pretrained: Path) -> None:
    model, processor = built
    original = AutoModelForCausalLM.from_pretrained(pretrained).eval()
    ids = torch.tensor([processor.text_ids("the red block")])
    before, after = original(ids).logits, model(input_ids=ids).logits
    old = bin_token_start(processor.tokenizer) - 3
    torch.testing.assert_close(after[..., :old], before[..., :old])


def test_a_tokenizer_from_elsewhere_keeps_its_text_and_gains_bins(pretrained: Path) -> None:
    plain = PreTrainedTokenizerFast.from_pretrained(pretrained)
    tokenizer = load_any_tokenizer(str(pretrained))
    text = "the red block 赤い"
    assert tokenizer(text)["input_ids"] == plain(text)["input_ids"]
    assert tokenizer.eos_token == tokenizer.bos_token == END
    assert len(tokenizer) == len(plain) + 256 + 3


def test_it_acts_and_answers_and_never_writes_a_special_token(built: Any) -> None:
    model, processor = built
    engine = Engine(model, processor)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    chunks = engine.act(images, np.zeros((2, 7), np.float32), ["pick up the red block", "go"])
    assert all(np.isfinite(chunk.actions).all() for chunk in chunks)
    answers = engine.ask(images, ["what is there?", "where is the block?"])
    special = ("<image>", "<state>", "<pad>", "<bin_", END)
    assert not any(word in answer.text for answer in answers for word in special)


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"model_type": "gpt2", "n_embd": 8, "n_layer": 1, "n_head": 1}, "GPT2LMHeadModel"),
        ({"n_embd": 8, "n_layer": 1, "n_head": 1}, "GPT2LMHeadModel"),
        (
            {
                "model_type": "llama",
                "hidden_size": 8,
                "intermediate_size": 8,
                "num_hidden_layers": 1,
                "num_attention_heads": 1,
            },
            "LlamaForCausalLM",
        ),
    ],
)
def test_a_new_decoder_is_made_from_its_config(config: dict[str, Any], kind: str) -> None:
    resolved, weights = load_decoder(None, config, vocab_size=300)
    assert weights is None
    assert (resolved.vocab_size, resolved.bos_token_id, resolved.eos_token_id) == (300, 1, 2)
    decoder = build_decoder(resolved)
    assert type(decoder).__name__ == kind
    assert decoder.get_input_embeddings().weight.shape == (300, 8)


@pytest.mark.parametrize("given", [(None, None), ("gpt2", {"model_type": "gpt2"})])
def test_a_decoder_is_either_pretrained_or_new(given: tuple[str | None, dict[str, Any] | None]) -> None:
    with pytest.raises(ConfigError, match="either `pretrained` or `config`"):
        load_decoder(*given, vocab_size=300)


def test_an_unknown_kind_of_decoder_is_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'gpt2'"):
        load_decoder(None, {"model_type": "gpt-2"}, vocab_size=300)


def test_folders_that_hold_nothing_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no causal language model at"):
        load_decoder(str(tmp_path), None, vocab_size=300)
    with pytest.raises(CheckpointError, match="vla train-tokenizer"):
        load_any_tokenizer(str(tmp_path))
    with pytest.raises(CheckpointError, match="no causal language model at"):
        load_decoder(str(tmp_path / "nowhere"), None, vocab_size=300)
    with pytest.raises(CheckpointError, match="vla train-tokenizer"):
        load_any_tokenizer(str(tmp_path / "nowhere"))
