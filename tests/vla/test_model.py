from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoProcessor

from tests.vla.runs import collate
from vla.data.collate import Turn, turn_mask
from vla.model.configuration_vla import VLAConfig
from vla.model.modeling_vla import VLAForConditionalGeneration
from vla.model.processing_vla import VLAProcessor

ModelAndProcessor = tuple[VLAForConditionalGeneration, VLAProcessor]


def inputs_for(processor: VLAProcessor, seed: int = 0) -> dict[str, torch.Tensor]:
    """One image, one state and a motion prompt."""
    rng = np.random.default_rng(seed)
    ids = [*processor.prefix_ids(), *processor.motion_ids("pick up the red block")]
    size = processor.image_size
    return {
        "input_ids": torch.tensor([ids]),
        "pixel_values": torch.from_numpy(rng.integers(0, 256, (1, size, size, 3), dtype=np.uint8)),
        "states": torch.from_numpy(rng.uniform(-1, 1, (1, 7)).astype(np.float32)),
    }


@pytest.fixture
def saved(model_and_processor: ModelAndProcessor, tmp_path: Path) -> Path:
    for part in model_and_processor:
        part.save_pretrained(tmp_path)
    return tmp_path


@torch.no_grad()
def test_a_saved_model_comes_back_bit_for_bit(model_and_processor: ModelAndProcessor, saved: Path) -> None:
    model, processor = model_and_processor
    loaded = VLAForConditionalGeneration.from_pretrained(saved)
    before, after = model.state_dict(), loaded.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    buffers = dict(loaded.named_buffers())  # those of rotary embeddings are not in the state dict
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in model.named_buffers())
    for parameter in loaded.parameters():  # the last bit depends on where in memory a matrix begins
        parameter.data = parameter.data.clone()
    inputs = inputs_for(processor)
    assert torch.equal(model(**inputs).logits, loaded.eval()(**inputs).logits)


def test_a_config_comes_back_whole(model_and_processor: ModelAndProcessor, saved: Path) -> None:
    config = model_and_processor[0].config
    loaded = AutoConfig.from_pretrained(saved)
    assert isinstance(loaded, VLAConfig)
    assert type(loaded.decoder_config) is type(config.decoder_config)
    for name in (
        "vision_config",
        "embodiments",
        "location_range",
        "action_horizon",
        "bin_token_start",
        "state_dim",
    ):
        assert getattr(loaded, name) == getattr(config, name), name
    assert loaded.embodiments["panda"]["action"]["q01"][0] == -0.9


def test_auto_classes_know_the_model(model_and_processor: ModelAndProcessor, saved: Path) -> None:
    for auto in (AutoModel, AutoModelForImageTextToText):
        assert type(auto.from_pretrained(saved)) is VLAForConditionalGeneration
    processor = AutoProcessor.from_pretrained(saved)
    assert type(processor) is VLAProcessor
    mine = model_and_processor[1]
    for name in ("image_size", "num_image_tokens", "image_token_id", "state_token_id", "bin_token_start"):
        assert getattr(processor, name) == getattr(mine, name), name
    for text in ("pick up the red block", "赤いブロックを取ってください"):
        assert processor.motion_ids(text) == mine.motion_ids(text)


def test_tied_embeddings_are_stored_once_and_stay_tied(
    model_and_processor: ModelAndProcessor, saved: Path
) -> None:
    stored = load_file(saved / "model.safetensors")
    loaded = VLAForConditionalGeneration.from_pretrained(saved)
    tied = loaded.get_input_embeddings().weight is loaded.get_output_embeddings().weight
    assert tied == (loaded.config.decoder_config.model_type == "gpt2")
    assert ("decoder.lm_head.weight" in stored) == (not tied)


def test_one_seed_builds_one_model(make_model: Any) -> None:
    first, second = make_model("gpt2")[0].state_dict(), make_model("gpt2")[0].state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_is_new_is_initialised_as_its_authors_meant(make_model: Any) -> None:
    # transformers leaves composed modules of other packages alone unless told otherwise.
    model, _ = make_model("gpt2")
    for part in (model.projector, model.state_projector):
        assert not part.fc1.bias.any() and not part.fc2.bias.any()
        assert part.fc1.weight.std().item() == pytest.approx(part.fc1.in_features**-0.5, rel=0.1)
    place = model.projector.place
    assert place.weight.std().item() == pytest.approx(place.in_features**-0.5, rel=0.1)


@torch.no_grad()
def test_bins_begin_as_a_scale(model_and_processor: ModelAndProcessor) -> None:
    model, _ = model_and_processor
    start = model.config.bin_token_start
    for table in (model.get_input_embeddings().weight, model.get_output_embeddings().weight):
        bins, words = table[start : start + 256], table[start + 256 :]
        assert float(bins.std()) == pytest.approx(float(words.std()), rel=0.2)
        distances = torch.cdist(bins, bins)
        assert float(distances.diagonal(1).max()) < 0.2 * float(distances.diagonal(20).min())


@torch.no_grad()
def test_a_patch_knows_its_place(make_model: Any) -> None:
    projector = make_model("gpt2")[0].projector
    features = torch.ones(1, 16, projector.fc1.in_features)  # a grid of 4 x 4 patches, all alike
    tokens = projector(features)[0]
    distances = torch.cdist(tokens, tokens) + torch.eye(16)
    assert float(distances.min()) > 1e-3


@torch.no_grad()
def test_logits_only_where_asked_equal_all_logits(model_and_processor: ModelAndProcessor) -> None:
    model, processor = model_and_processor
    inputs = inputs_for(processor)
    where = torch.zeros_like(inputs["input_ids"], dtype=torch.bool)
    where[0, [3, 20, -1]] = True
    some = model(**inputs, logits_at=where).logits
    assert some.shape == (3, model.config.decoder_config.vocab_size)
    torch.testing.assert_close(some, model(**inputs).logits[where])


@torch.no_grad()
@pytest.mark.parametrize("changed", ["pixel_values", "states"])
def test_every_input_reaches_the_logits(model_and_processor: ModelAndProcessor, changed: str) -> None:
    model, processor = model_and_processor
    inputs, others = inputs_for(processor), inputs_for(processor, seed=1)
    before = model(**inputs).logits[:, -1]
    after = model(**{**inputs, changed: others[changed]}).logits[:, -1]
    assert float((before - after).abs().max()) > 1e-3


@torch.no_grad()
def test_features_stand_where_their_placeholders_are(model_and_processor: ModelAndProcessor) -> None:
    model, processor = model_and_processor
    inputs = inputs_for(processor)
    embedded = model.embed(**inputs)
    count = processor.num_image_tokens
    plain = model.get_input_embeddings()(inputs["input_ids"])
    torch.testing.assert_close(
        embedded[:, 1 : 1 + count], model.projector(model.vision(inputs["pixel_values"]))
    )
    assert model.state_projector is not None
    torch.testing.assert_close(embedded[:, 1 + count], model.state_projector(inputs["states"]))
    assert torch.equal(embedded[:, 0], plain[:, 0])
    assert torch.equal(embedded[:, 2 + count :], plain[:, 2 + count :])


@torch.no_grad()
def test_several_instructions_about_an_image_are_shown_the_same_state(make_model: Any) -> None:
    model, processor = make_model(wrist=True)
    size, rng = processor.image_size, np.random.default_rng(0)
    prompt = processor.motion_ids("go")
    rows = [[*processor.prefix_ids(), *prompt], [*processor.prefix_ids(), *prompt, *prompt]]
    pad = processor.tokenizer.pad_token_id
    ids = torch.tensor([row + [pad] * (len(rows[1]) - len(row)) for row in rows])
    pixels, wrists = (
        torch.from_numpy(rng.integers(0, 256, (2, side, side, 3), dtype=np.uint8)) for side in (size, 32)
    )
    states = torch.from_numpy(rng.uniform(-1, 1, (2, 7)).astype(np.float32))
    both = model.embed(ids, pixels, states, wrists)
    start, length = len(processor.prefix_ids()), len(prompt)
    assert torch.equal(both[1, start : start + length], both[1, start + length :])
    alone = model.embed(ids[1:, : start + length], pixels[1:], states[1:], wrists[1:])
    torch.testing.assert_close(both[1:, : start + length], alone)


def test_a_wrong_number_of_placeholders_is_refused(model_and_processor: ModelAndProcessor) -> None:
    model, processor = model_and_processor
    inputs = inputs_for(processor)
    with pytest.raises(ValueError, match="15 placeholder tokens, but 16 feature vectors"):
        model.embed(inputs["input_ids"][:, 2:], inputs["pixel_values"])
    with pytest.raises(ValueError, match="input_ids or inputs_embeds"):
        model()


@torch.no_grad()
def test_a_turn_mask_means_the_same_to_every_attention(
    model_and_processor: ModelAndProcessor, saved: Path
) -> None:
    model, processor = model_and_processor
    eager = VLAForConditionalGeneration.from_pretrained(saved, attn_implementation="eager").eval()
    assert eager.decoder.config._attn_implementation == "eager"
    turns = [
        Turn(processor.question_ids(text), processor.answer_ids("yes")) for text in ("is it red?", "is it?")
    ]
    image = np.zeros((processor.image_size, processor.image_size, 3), dtype=np.uint8)
    batch = collate([(image, turns)], processor.prefix_ids(), 0)
    outputs = [
        each(
            input_ids=batch["input_ids"],
            pixel_values=batch["pixel_values"],
            attention_mask=turn_mask(batch["segments"]),
            position_ids=batch["position_ids"],
            logits_at=batch["labels"] >= 0,
        ).logits
        for each in (model, eager)
    ]
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_transformers_generate_takes_images_and_states(model_and_processor: ModelAndProcessor) -> None:
    model, processor = model_and_processor
    inputs = inputs_for(processor)
    mask = torch.ones_like(inputs["input_ids"])
    options = {"do_sample": False, "max_new_tokens": 5, "eos_token_id": None, "pad_token_id": 0}
    written = model.generate(**inputs, attention_mask=mask, **options)[0, mask.shape[1] :]
    sequence = inputs["input_ids"]
    for token in written:  # greedy by whole forward passes
        assert int(model(**{**inputs, "input_ids": sequence}).logits[0, -1].argmax()) == int(token)
        sequence = torch.cat([sequence, token[None, None]], dim=1)


class TestProcessor:
    @pytest.fixture
    def processor(self, make_model: Any) -> VLAProcessor:
        return make_model()[1]

    def test_a_sequence_begins_with_the_image(self, processor: VLAProcessor) -> None:
        assert processor.prefix_ids() == [processor.tokenizer.bos_token_id] + [processor.image_token_id] * 16

    def test_a_motion_prompt_begins_with_the_state(self, processor: VLAProcessor) -> None:
        state, *text = processor.motion_ids("Pick up the red block.")
        assert state == processor.state_token_id
        assert processor.text(text) == "Q: what action should the robot take to pick up the red block? A:"

    @pytest.mark.parametrize("words", ["<image>", "<bin_3> <bin_4>", "<state>", "</s> <eos> <pad>"])
    def test_what_looks_like_a_special_token_stays_text(self, processor: VLAProcessor, words: str) -> None:
        ids = processor.question_ids(f"what does {words} mean?")
        special = set(processor.tokenizer.convert_tokens_to_ids(["<image>", "<state>", "<eos>", "<pad>"]))
        assert not special & set(ids)
        assert not any(processor.bin_token_start <= i < processor.bin_token_start + 256 for i in ids)

    def test_a_place_in_a_question_is_two_bins(self, processor: VLAProcessor) -> None:
        ids = processor.question_ids("what is at {point} now", (0, 255))
        bins = [i - processor.bin_token_start for i in ids if i in processor.bin_ids([0, 255])]
        assert bins == [0, 255]
        assert processor.text(ids) == "Q: what is at  now A:"

    def test_an_answer_comes_back_from_its_ids(self, processor: VLAProcessor) -> None:
        ids = processor.answer_ids("赤いブロック")
        assert ids[-1] == processor.tokenizer.eos_token_id
        assert processor.text(ids) == " 赤いブロック"

    def test_an_answer_cannot_command_a_terminal(self, processor: VLAProcessor) -> None:
        assert processor.text(processor.text_ids("red\x1b[2J\r\nblock")) == "red [2J  block"

    def test_places_in_an_answer_are_two_bins_each(self, processor: VLAProcessor) -> None:
        ids = processor.answer_ids("red {point}, blue {point}", [(1, 2), np.array([254, 255])])
        at = [i for i, token in enumerate(ids) if token in processor.bin_ids(range(256))]
        assert [ids[i] - processor.bin_token_start for i in at] == [1, 2, 254, 255]
        assert processor.text(ids) == " red , blue "
        with pytest.raises(ValueError):
            processor.answer_ids("red {point}", [])

    def test_a_picture_of_the_right_size_is_left_alone(self, processor: VLAProcessor) -> None:
        picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        assert processor.image(picture) is picture

    @pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "I;16", "CMYK"])
    def test_any_picture_becomes_rgb_of_the_models_size(self, processor: VLAProcessor, mode: str) -> None:
        image = processor.image(Image.new(mode, (50, 90)))
        assert image.shape == (32, 32, 3) and image.dtype == np.uint8

    def test_a_wide_picture_is_cropped_at_its_middle(self, processor: VLAProcessor) -> None:
        picture = np.zeros((64, 128, 3), dtype=np.uint8)
        picture[:, 32:96] = 255
        assert (processor.image(picture) == 255).all()

    def test_shrinking_averages(self, processor: VLAProcessor) -> None:
        picture = np.zeros((64, 64, 3), dtype=np.uint8)
        picture[::2] = 200
        assert (processor.image(picture) == 100).all()
