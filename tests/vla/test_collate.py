import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from tests.vla.runs import collate
from vla.data.collate import PADDING, Turn, turn_mask
from vla.model.modeling_vla import VLAForConditionalGeneration
from vla.model.processing_vla import VLAProcessor

PREFIX = [1, 3, 3]
PAD = 0

segment_rows = st.lists(
    st.tuples(st.integers(1, 4), st.lists(st.integers(1, 4), max_size=3), st.integers(0, 3)),
    min_size=1,
    max_size=3,
)


def picture(size: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def test_a_batch_worked_by_hand() -> None:
    state = np.array([0.5, -0.5], dtype=np.float32)
    two_turns = (picture(), [Turn([4, 10], [11, 12], state), Turn([20], [21])])
    one_turn = (picture(seed=1), [Turn([30, 31], [32])])
    batch = collate([two_turns, one_turn], PREFIX, PAD)
    assert batch["input_ids"].tolist() == [[1, 3, 3, 4, 10, 11, 12, 20, 21], [1, 3, 3, 30, 31, 32, 0, 0, 0]]
    # Every turn starts where the image ends.
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 4, 5, 6, 3, 4], [0, 1, 2, 3, 4, 5, 0, 0, 0]]
    assert batch["segments"].tolist() == [[0, 0, 0, 1, 1, 1, 1, 2, 2], [0, 0, 0, 1, 1, 1, -1, -1, -1]]
    # A label is the token that follows; prompts are not learned.
    none = -100
    assert batch["labels"].tolist() == [
        [none, none, none, none, 11, 12, none, 21, none],
        [none, none, none, none, 32, none, none, none, none],
    ]
    assert batch["states"].tolist() == [[0.5, -0.5]]
    assert batch["pixel_values"].shape == (2, 2, 2, 3)
    assert batch["pixel_values"].dtype == torch.uint8


def test_an_image_without_turns_is_padding_after_the_image() -> None:
    batch = collate([(picture(), []), (picture(), [Turn([5], [6])])], PREFIX, PAD)
    assert batch["segments"][0].tolist() == [0, 0, 0, PADDING, PADDING]
    assert bool((batch["labels"][0] == -100).all())


def test_a_mask_worked_by_hand() -> None:
    mask = turn_mask(torch.tensor([[0, 1, 1, 2, PADDING]]))
    assert mask.shape == (1, 1, 5, 5)
    assert mask[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],  # the image sees itself
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],  # turn 1: the image and what went before in turn 1
        [1, 0, 0, 1, 0],  # turn 2: the image, not turn 1
        [1, 0, 0, 0, 1],  # padding: seen by nothing but itself
    ]


@given(segment_rows)
def test_a_mask_is_never_empty_and_never_crosses_turns(rows: list[tuple[int, list[int], int]]) -> None:
    filled = [
        [0] * image
        + [number for number, length in enumerate(turns, start=1) for _ in range(length)]
        + [-1] * pad
        for image, turns, pad in rows
    ]
    width = max(map(len, filled))
    segments = torch.tensor([row + [PADDING] * (width - len(row)) for row in filled])
    mask = turn_mask(segments)[:, 0]
    assert bool(mask.any(dim=-1).all())
    assert not bool(torch.triu(mask, diagonal=1).any())
    for row, query, key in mask.nonzero().tolist():
        asking, seen = int(segments[row, query]), int(segments[row, key])
        assert seen in (0, asking)
        assert seen != PADDING or query == key


def sequence_of(tokenizer: PreTrainedTokenizerBase, processor: VLAProcessor) -> list[Turn]:
    """One motion turn and two questions of different lengths."""
    state = np.linspace(-1, 1, 7, dtype=np.float32)
    yes, no = processor.answer_ids("yes"), processor.answer_ids("no")
    return [
        Turn(processor.motion_ids("pick up the red block"), processor.bin_ids([0, 9, 200, 3]), state),
        Turn(processor.question_ids("is there a red block?"), yes),
        Turn(processor.question_ids("what is at {point} now?", [7, 250]), no),
    ]


def test_packed_turns_give_the_logits_of_each_turn_alone(
    model_and_processor: tuple[VLAForConditionalGeneration, VLAProcessor],
) -> None:
    model, processor = model_and_processor
    turns = sequence_of(processor.tokenizer, processor)
    prefix, pad = processor.prefix_ids(), processor.tokenizer.pad_token_id
    image = picture(model.config.image_size)
    packed = logits_of(model, collate([(image, turns), (picture(32, 1), turns[:1])], prefix, pad))
    start = 0
    for turn in turns:
        alone = logits_of(model, collate([(image, [turn])], prefix, pad))
        assert len(alone) == len(turn.target)
        torch.testing.assert_close(packed[start : start + len(alone)], alone, atol=2e-5, rtol=2e-5)
        start += len(alone)
    second = logits_of(model, collate([(picture(32, 1), turns[:1])], prefix, pad))
    torch.testing.assert_close(packed[start:], second, atol=2e-5, rtol=2e-5)


def test_a_turn_alone_equals_a_plain_causal_sequence(
    model_and_processor: tuple[VLAForConditionalGeneration, VLAProcessor],
) -> None:
    model, processor = model_and_processor
    turn = sequence_of(processor.tokenizer, processor)[1]
    image = picture(model.config.image_size)
    batch = collate([(image, [turn])], processor.prefix_ids(), processor.tokenizer.pad_token_id)
    with torch.no_grad():
        plain = model(input_ids=batch["input_ids"], pixel_values=batch["pixel_values"]).logits
    torch.testing.assert_close(logits_of(model, batch), plain[batch["labels"] >= 0], atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("other", [1, 2])
def test_a_turn_does_not_notice_what_another_says(
    model_and_processor: tuple[VLAForConditionalGeneration, VLAProcessor], other: int
) -> None:
    model, processor = model_and_processor
    turns = sequence_of(processor.tokenizer, processor)
    image = picture(model.config.image_size)
    changed = list(turns)
    changed[other] = Turn([token + 1 for token in turns[other].prompt], turns[other].target)
    prefix, pad = processor.prefix_ids(), processor.tokenizer.pad_token_id
    before = logits_of(model, collate([(image, turns)], prefix, pad))
    after = logits_of(model, collate([(image, changed)], prefix, pad))
    own = slice(0, len(turns[0].target))
    assert torch.equal(before[own], after[own])
    assert not torch.allclose(before, after)


@torch.no_grad()
def logits_of(model: VLAForConditionalGeneration, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Logits of the learned positions, as in training."""
    return model(
        input_ids=batch["input_ids"],
        pixel_values=batch["pixel_values"],
        states=batch.get("states"),
        attention_mask=turn_mask(batch["segments"]),
        position_ids=batch["position_ids"],
        logits_at=batch["labels"] >= 0,
    ).logits
