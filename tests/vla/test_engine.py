import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LogitsProcessor, LogitsProcessorList

from tests.vla.runs import collate
from vla.actions.bins import NUM_BINS, BinTokenizer
from vla.actions.locations import bins_to_location, location_text, location_to_bins
from vla.actions.stats import Quantiles
from vla.data.collate import Turn, turn_mask
from vla.errors import CheckpointError, DataError, InstructionError
from vla.inference.constraints import (
    EMPTY,
    ENDED,
    HALF_PLACE,
    NEAR_BINS,
    OPEN,
    PLACE,
    action_slots,
    choose_bin,
)
from vla.inference.engine import MAX_ANSWER_TOKENS, Engine, _Decoder
from vla.model.modeling_vla import VLAForConditionalGeneration
from vla.model.processing_vla import VLAProcessor

INSTRUCTIONS = ["go", "pick up the red block", "put the yellow block in the blue bowl on the left"]
QUESTIONS = ["why?", "where is the red block now?", "what colour is the block next to the blue bowl?"]
PLACE_TEXT = r" ?x=-?\d\.\d{3} m, y=-?\d\.\d{3} m"
HORIZON = 2
CLOSE = {"atol": 2e-5, "rtol": 2e-4}

Reference = Callable[[int, list[int]], torch.Tensor]


@pytest.fixture(scope="module")
def engine(model_and_processor: tuple[VLAForConditionalGeneration, VLAProcessor]) -> Engine:
    return Engine(*model_and_processor)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def states() -> np.ndarray:
    return np.random.default_rng(1).uniform(-0.4, 0.6, (3, 7)).astype(np.float32)


@torch.no_grad()
def uncached(engine: Engine, image: np.ndarray, turn: Turn) -> torch.Tensor:
    """Logits float[n, V] before each target token, by one forward pass over everything."""
    batch = collate([(image, [turn])], engine.processor.prefix_ids(), engine.processor.tokenizer.pad_token_id)
    return engine.model(
        input_ids=batch["input_ids"],
        pixel_values=batch["pixel_values"],
        states=batch.get("states"),
        attention_mask=turn_mask(batch["segments"]),
        position_ids=batch["position_ids"],
        logits_at=batch["labels"] >= 0,
    ).logits


def slots_of(engine: Engine) -> np.ndarray:
    return action_slots(engine.embodiment.action, engine.config.action_horizon, engine.plan_tokens)


def bin_range(engine: Engine) -> range:
    return range(engine.config.bin_token_start, engine.config.bin_token_start + 256)


def words_between_places(engine: Engine, tokens: list[int]) -> str:
    """Text of an answer without its places and blanks."""
    bins = bin_range(engine)
    runs = itertools.groupby(tokens, key=lambda token: token in bins)
    words = [engine.processor.text(list(run)) for is_place, run in runs if not is_place]
    return "".join("".join(words).split())


def bins_of(engine: Engine, chunk: Any) -> np.ndarray:
    """The bins of a decision, int64[P + H * 8]; a dimension that never moved has its only bin."""
    actions = engine.bins.chunk_to_bins(engine.embodiment.action.normalise(chunk.actions), chunk.terminate)
    assert (chunk.plan is not None) == engine.config.plan
    plan = [] if chunk.plan is None else location_to_bins(chunk.plan, engine.config.location_range)
    return np.array([*plan, *actions])


def chosen(engine: Engine, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities float[H * 8] of the actions, and all bins int64[P + H * 8], from masked logits."""
    lead = engine.plan_tokens
    (_, plan), (chances, actions) = choose_bin(logits[:lead], True), choose_bin(logits[lead:], False)
    return chances, torch.cat([plan, actions])


def test_cached_actions_equal_a_full_forward_pass(
    engine: Engine, images: np.ndarray, states: np.ndarray
) -> None:
    start = engine.config.bin_token_start
    for row, chunk in enumerate(engine.act(images, states, INSTRUCTIONS)):
        bins = bins_of(engine, chunk)
        turn = Turn(
            engine.processor.motion_ids(INSTRUCTIONS[row]),
            engine.processor.bin_ids(bins),
            engine.embodiment.state.normalise(states[row]),
        )
        logits = uncached(engine, images[row], turn)[:, start : start + 256]
        allowed = torch.from_numpy(slots_of(engine))
        chances, best = chosen(engine, logits.masked_fill(~allowed, -torch.inf))
        assert best.tolist() == bins.tolist()
        torch.testing.assert_close(torch.from_numpy(chunk.token_probabilities).flatten(), chances, **CLOSE)


def test_the_wrist_camera_is_seen_as_in_training(
    make_model: Any, images: np.ndarray, states: np.ndarray
) -> None:
    engine = Engine(*make_model(wrist=True))
    close = images[::-1].repeat(2, axis=1).repeat(2, axis=2)  # drawn larger than it is shown
    start = engine.config.bin_token_start
    chunks = engine.act(images, states, INSTRUCTIONS, close)
    for row, chunk in enumerate(chunks):
        bins = bins_of(engine, chunk)
        prompt = engine.processor.motion_ids(INSTRUCTIONS[row])
        assert prompt.count(engine.processor.image_token_id) == engine.config.num_wrist_tokens == 16
        turn = Turn(prompt, engine.processor.bin_ids(bins), engine.embodiment.state.normalise(states[row]))
        batch = collate([(images[row], [turn])], engine.processor.prefix_ids(), 0)
        with torch.no_grad():
            logits = engine.model(
                input_ids=batch["input_ids"],
                pixel_values=batch["pixel_values"],
                states=batch["states"],
                wrist_values=torch.from_numpy(images[::-1][row][None].copy()),
                attention_mask=turn_mask(batch["segments"]),
                position_ids=batch["position_ids"],
                logits_at=batch["labels"] >= 0,
            ).logits[:, start : start + 256]
        allowed = torch.from_numpy(slots_of(engine))
        chances, best = chosen(engine, logits.masked_fill(~allowed, -torch.inf))
        assert best.tolist() == bins.tolist()
        torch.testing.assert_close(torch.from_numpy(chunk.token_probabilities).flatten(), chances, **CLOSE)
    other = engine.act(images, states, INSTRUCTIONS, close[::-1])
    assert any(
        (a.token_probabilities != b.token_probabilities).any() for a, b in zip(chunks, other, strict=True)
    )
    assert engine.ask(images, QUESTIONS)[0].text == Engine(*make_model()).ask(images, QUESTIONS)[0].text
    with pytest.raises(DataError, match="is shown the wrist camera; give"):
        engine.act(images, states, INSTRUCTIONS)
    with pytest.raises(DataError, match="not shown a wrist camera; leave"):
        Engine(*make_model()).act(images, states, INSTRUCTIONS, close)


def test_a_model_without_proprioception_does_not_look_at_the_state(
    make_model: Any, images: np.ndarray, states: np.ndarray
) -> None:
    engine = Engine(*make_model(proprioception=False))
    assert engine.model.state_projector is None
    first, second = (engine.act(images, seen, INSTRUCTIONS) for seen in (states, states[::-1]))
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.token_probabilities, two.token_probabilities)


def test_cached_answers_equal_a_full_forward_pass(engine: Engine, images: np.ndarray) -> None:
    for row, answer in enumerate(engine.ask(images, QUESTIONS)):
        prompt = engine.processor.question_ids(QUESTIONS[row])
        written: list[int] = []
        state = engine.grammar.begin([QUESTIONS[row]])
        for chance in answer.token_probabilities:
            logits = uncached(engine, images[row], Turn(prompt, [*written, 0]))[-1]
            allowed = engine.grammar.allowed(state, torch.tensor([True]))[0]
            chances = torch.softmax(logits.masked_fill(~allowed, -torch.inf), dim=-1)
            expected, token = chances.max(dim=-1)
            place = int(token) - engine.config.bin_token_start
            if 0 <= place < NUM_BINS:
                low = engine.config.bin_token_start + max(place - NEAR_BINS, 0)
                high = engine.config.bin_token_start + min(place + NEAR_BINS, NUM_BINS - 1)
                expected = chances[low : high + 1].sum()
            assert float(chance) == pytest.approx(float(expected), abs=1e-4)
            written.append(int(token))
            state = engine.grammar.advance(state, token[None])
        ended = written[-1] == engine.grammar.eos_token_id
        assert ended or len(written) == MAX_ANSWER_TOKENS
        said = written[:-1] if ended else written
        assert words_between_places(engine, said) == "".join(re.sub(PLACE_TEXT, "", answer.text).split())
        assert len(answer.places) == sum(token in bin_range(engine) for token in said) // 2
        assert (answer.point is not None) == (len(said) == 2 and said[0] in bin_range(engine))


def test_a_batch_acts_as_each_alone(engine: Engine, images: np.ndarray, states: np.ndarray) -> None:
    together = engine.act(images, states, INSTRUCTIONS)
    for row, chunk in enumerate(together):
        (alone,) = engine.act(images[row : row + 1], states[row : row + 1], INSTRUCTIONS[row : row + 1])
        np.testing.assert_array_equal(alone.actions, chunk.actions)
        np.testing.assert_array_equal(alone.terminate, chunk.terminate)
        np.testing.assert_allclose(alone.token_probabilities, chunk.token_probabilities, **CLOSE)


def test_a_batch_answers_as_each_alone(engine: Engine, images: np.ndarray) -> None:
    points = [None, None, (0.5, 0.1)]
    questions = [*QUESTIONS[:2], "what is at {point}?"]
    together = engine.ask(images, questions, points)
    for row, answer in enumerate(together):
        (alone,) = engine.ask(images[row : row + 1], questions[row : row + 1], points[row : row + 1])
        assert (alone.text, alone.places) == (answer.text, answer.places)
        np.testing.assert_allclose(alone.token_probabilities, answer.token_probabilities, **CLOSE)


class Masked(LogitsProcessor):
    """The engine's masks inside transformers' own loop, which shows it the generated tokens only."""

    def __init__(self, allowed: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.allowed = allowed

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return scores.masked_fill(~self.allowed(input_ids), -torch.inf)


def generate(
    engine: Engine,
    images: np.ndarray,
    prompts: list[list[int]],
    states: torch.Tensor | None,
    chooser: LogitsProcessor,
    count: int,
) -> list[list[int]]:
    """Tokens written by transformers' `generate`, with padding between image and prompt."""
    prefix = engine.processor.prefix_ids()
    longest = max(map(len, prompts))
    pads = [longest - len(prompt) for prompt in prompts]
    ids = torch.tensor([prefix + [0] * n + prompt for n, prompt in zip(pads, prompts, strict=True)])
    columns = torch.arange(ids.shape[1])
    real = (columns < len(prefix)) | (columns >= len(prefix) + torch.tensor(pads)[:, None])
    with torch.no_grad():
        embeds = engine.model.embed(ids, torch.from_numpy(images), states)
        written = engine.model.generate(
            inputs_embeds=embeds,
            attention_mask=real.long(),
            logits_processor=LogitsProcessorList([chooser]),
            do_sample=False,
            max_new_tokens=count,
            pad_token_id=0,
            eos_token_id=None,
        )
    return written.tolist()


def test_actions_equal_those_of_transformers_generate(
    engine: Engine, images: np.ndarray, states: np.ndarray
) -> None:
    start = engine.config.bin_token_start
    slots = torch.from_numpy(slots_of(engine))

    class Choice(LogitsProcessor):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            index = input_ids.shape[1]
            bins = scores[:, start : start + 256].masked_fill(~slots[index], -torch.inf)
            _, best = choose_bin(bins, place=index < engine.plan_tokens)
            return torch.full_like(scores, -torch.inf).scatter(1, start + best[:, None], 0.0)

    prompts = [engine.processor.motion_ids(text) for text in INSTRUCTIONS]
    normalised = torch.from_numpy(engine.embodiment.state.normalise(states))
    tokens = generate(engine, images, prompts, normalised, Choice(), len(slots))
    for row, chunk in zip(tokens, engine.act(images, states, INSTRUCTIONS), strict=True):
        actions, terminate = BinTokenizer().bins_to_chunk(np.array(row)[engine.plan_tokens :] - start)
        np.testing.assert_array_equal(engine.embodiment.action.denormalise(actions), chunk.actions)
        np.testing.assert_array_equal(terminate, chunk.terminate)


def test_answers_equal_those_of_transformers_generate(engine: Engine, images: np.ndarray) -> None:
    def allowed(written: torch.Tensor) -> torch.Tensor:
        state = engine.grammar.begin(QUESTIONS)
        for column in written.T:
            state = engine.grammar.advance(state, column)
        return engine.grammar.allowed(state, torch.ones(len(written), dtype=torch.bool))

    prompts = [engine.processor.question_ids(text) for text in QUESTIONS]
    tokens = generate(engine, images, prompts, None, Masked(allowed), MAX_ANSWER_TOKENS)
    for row, answer in zip(tokens, engine.ask(images, QUESTIONS), strict=True):
        said = row[: row.index(2)] if 2 in row else row
        assert words_between_places(engine, said) == "".join(re.sub(PLACE_TEXT, "", answer.text).split())
        assert len(answer.token_probabilities) == len(said) + (2 in row)


def test_actions_are_within_what_was_demonstrated(
    engine: Engine, images: np.ndarray, states: np.ndarray
) -> None:
    for chunk in engine.act(images, states, INSTRUCTIONS):
        assert chunk.actions.shape == (HORIZON, 7) and chunk.actions.dtype == np.float32
        assert chunk.terminate.shape == (HORIZON,) and chunk.terminate.dtype == np.bool_
        assert chunk.token_probabilities.shape == (HORIZON, 8)
        stats = engine.embodiment.action
        assert ((chunk.actions >= stats.q01) & (chunk.actions <= stats.q99)).all()
        # Roll and pitch never moved in the demonstrations: exactly their value, and no doubt about it.
        assert (chunk.actions[:, 3:5] == 0.0).all()
        assert (chunk.token_probabilities[:, 4:6] == 1.0).all()
        assert ((chunk.token_probabilities > 0) & (chunk.token_probabilities <= 1)).all()


@pytest.fixture
def repeating(make_model: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Engine, torch.Tensor]]:
    """Make an engine whose model repeats its actions, the more so the stronger the habit, and that bias."""

    def make(moving: list[int], horizon: int, habit: float) -> tuple[Engine, torch.Tensor]:
        engine = Engine(*make_model("gpt2", horizon))
        q99 = np.full(7, 0.25, dtype=np.float32)
        q99[moving] = 0.75
        action = Quantiles(np.full(7, 0.25, dtype=np.float32), q99)
        engine.embodiment = replace(engine.embodiment, action=action)
        engine.slots = torch.from_numpy(slots_of(engine))
        preference = torch.zeros(engine.grammar.table.shape[1])
        preference[engine.processor.bin_ids([0, 40])] = torch.tensor([habit / 2, habit])
        logits = _Decoder.logits
        monkeypatch.setattr(_Decoder, "logits", lambda self, hidden: logits(self, hidden) + preference)
        return engine, preference

    return make


@pytest.mark.parametrize("moving", [[], [0], [6], [0, 1, 2, 6], [0, 1, 2, 3, 4, 5, 6]])
@pytest.mark.parametrize("habit", [0.0, 4.0, 1000.0])
@pytest.mark.parametrize("rows", [1, 3])
def test_guessing_ahead_changes_nothing(
    repeating: Any, images: np.ndarray, states: np.ndarray, moving: list[int], habit: float, rows: int
) -> None:
    engine, preference = repeating(moving, 4, habit)
    for row, chunk in enumerate(engine.act(images[:rows], states[:rows], INSTRUCTIONS[:rows])):
        assert (chunk.actions[:, [d for d in range(7) if d not in moving]] == 0.25).all()
        bins = bins_of(engine, chunk)
        turn = Turn(
            engine.processor.motion_ids(INSTRUCTIONS[row]),
            engine.processor.bin_ids(bins),
            engine.embodiment.state.normalise(states[row]),
        )
        logits = (uncached(engine, images[row], turn) + preference)[:, bin_range(engine)]
        chances, best = chosen(engine, logits.masked_fill(~engine.slots, -torch.inf))
        assert best.tolist() == bins.tolist()
        torch.testing.assert_close(torch.from_numpy(chunk.token_probabilities).flatten(), chances, **CLOSE)


@pytest.mark.parametrize(("rows", "passes"), [(1, 8), (3, 13)])
def test_right_guesses_save_passes(
    repeating: Any,
    monkeypatch: pytest.MonkeyPatch,
    images: np.ndarray,
    states: np.ndarray,
    rows: int,
    passes: int,
) -> None:
    engine, _ = repeating([0, 1, 2, 6], 3, 1000.0)  # 17 of 26 tokens are to be chosen
    forward, calls = _Decoder._forward, []
    monkeypatch.setattr(_Decoder, "_forward", lambda *inputs: calls.append(1) or forward(*inputs))
    engine.act(images[:rows], states[:rows], INSTRUCTIONS[:rows])
    assert len(calls) == passes


def test_a_pointing_answer_is_a_place_on_the_table(engine: Engine, images: np.ndarray) -> None:
    pointing = Engine(engine.model, engine.processor)
    table = pointing.grammar.table = pointing.grammar.table.clone()
    # A place to begin with, and nothing after it.
    table[EMPTY] = table[OPEN] = table[HALF_PLACE]
    table[PLACE] = table[ENDED]
    for answer in pointing.ask(images, QUESTIONS):
        assert answer.point is not None
        (x_low, x_high), (y_low, y_high) = engine.config.location_range
        assert x_low < answer.point[0] < x_high and y_low < answer.point[1] < y_high
        assert answer.places == (answer.point,)
        assert answer.text == f"x={answer.point[0]:.3f} m, y={answer.point[1]:.3f} m"
        assert len(answer.token_probabilities) == 3 and answer.token_probabilities[2] == 1.0
        assert answer.confidence == pytest.approx(float(np.prod(answer.token_probabilities)))


@pytest.mark.parametrize(
    "answer",
    [
        "red block {point}, blue bowl {point}",
        "赤いブロック {point}、青いボウル {point}",
        "{point} and {point}",
        "red block {point} is here",
        "red block",
    ],
)
def test_words_and_places_alternate_in_an_answer(engine: Engine, answer: str) -> None:
    bins = [(64, 0), (200, 255)][: answer.count("{point}")]
    *tokens, end = engine.processor.answer_ids(answer, bins)
    found = engine._answer(np.array([*tokens, end, end]), np.full(len(tokens) + 2, 0.5, np.float32))
    assert found.places == tuple(bins_to_location(pair, engine.config.location_range) for pair in bins)
    for place in found.places:
        answer = answer.replace("{point}", location_text(place), 1)
    assert found.text == answer
    assert found.point is None
    assert len(found.token_probabilities) == len(tokens) + 1


def test_an_answer_that_is_cut_inside_a_place_loses_that_place(engine: Engine) -> None:
    ids = engine.processor.answer_ids("red block {point}", [(1, 2)])
    found = engine._answer(np.array(ids[:-2]), np.ones(len(ids) - 2, np.float32))
    assert (found.text, found.point, found.places) == ("red block", None, ())


def test_an_answer_without_end_is_cut(engine: Engine, images: np.ndarray) -> None:
    talkative = Engine(engine.model, engine.processor)
    talkative.grammar.table = talkative.grammar.table.clone()
    talkative.grammar.table[:, talkative.grammar.eos_token_id] = False
    (answer,) = talkative.ask(images[:1], QUESTIONS[:1])
    assert len(answer.token_probabilities) == MAX_ANSWER_TOKENS
    assert answer.confidence == pytest.approx(float(np.prod(answer.token_probabilities)))


def test_an_answer_is_plain_data(engine: Engine, images: np.ndarray) -> None:
    (answer,) = engine.ask(images[:1], QUESTIONS[:1])
    assert isinstance(answer.text, str)
    assert answer.token_probabilities.dtype == np.float32 and answer.token_probabilities.ndim == 1
    assert type(answer.confidence) is float and 0 < answer.confidence <= 1


def test_a_place_in_the_question_changes_what_is_asked(engine: Engine, images: np.ndarray) -> None:
    first, second = (
        engine.ask(images[:1], ["what is at {point}?"], [point])[0].token_probabilities[0]
        for point in ((0.35, -0.2), (0.65, 0.2))
    )
    assert first != second


def test_deciding_does_not_change_the_engine(engine: Engine, images: np.ndarray, states: np.ndarray) -> None:
    first = engine.act(images, states, INSTRUCTIONS)
    engine.ask(images, QUESTIONS)
    for before, after in zip(first, engine.act(images, states, INSTRUCTIONS), strict=True):
        np.testing.assert_array_equal(before.actions, after.actions)
        np.testing.assert_array_equal(before.token_probabilities, after.token_probabilities)


def test_half_precision_acts_and_answers(make_model: Any, images: np.ndarray, states: np.ndarray) -> None:
    model, processor = make_model("llama")
    engine = Engine(model.to(torch.bfloat16), processor)
    assert all(chunk.actions.dtype == np.float32 for chunk in engine.act(images, states, INSTRUCTIONS))
    assert len(engine.ask(images, QUESTIONS)) == 3


class TestBadInput:
    def test_an_unknown_robot(self, engine: Engine) -> None:
        with pytest.raises(CheckpointError, match=r"'ur5'.*panda"):
            Engine(engine.model, engine.processor, embodiment="ur5")

    def test_states_of_another_robot(self, engine: Engine, images: np.ndarray) -> None:
        with pytest.raises(DataError, match="9 numbers; those of robot 'panda' have 7"):
            engine.act(images[:1], np.zeros((1, 9), np.float32), ["go"])

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_states_that_are_no_numbers(self, engine: Engine, images: np.ndarray, value: float) -> None:
        states = np.zeros((1, 7), np.float32)
        states[0, 2] = value
        with pytest.raises(DataError, match="finite"):
            engine.act(images[:1], states, ["go"])

    @pytest.mark.parametrize(
        "image",
        [
            np.zeros((1, 16, 16, 3), np.uint8),
            np.zeros((1, 32, 32, 3), np.float32),
            np.zeros((1, 32, 32), np.uint8),
        ],
    )
    def test_images_of_another_shape_or_type(self, engine: Engine, image: np.ndarray) -> None:
        with pytest.raises(DataError, match=r"uint8\[B, 32, 32, 3\]"):
            engine.ask(image, ["why?"])

    def test_a_prompt_that_does_not_fit(self, engine: Engine, images: np.ndarray) -> None:
        with pytest.raises(DataError, match="decoder's 160 are too few"):
            engine.ask(images[:1], ["where is the " + "xq" * 100])

    def test_empty_words(self, engine: Engine, images: np.ndarray, states: np.ndarray) -> None:
        with pytest.raises(InstructionError):
            engine.ask(images[:1], ["  "])
        with pytest.raises(InstructionError):
            engine.act(images[:1], states[:1], [""])

    @pytest.mark.parametrize(
        ("question", "point"), [("what is at {point}?", None), ("what is there?", (0.5, 0.0))]
    )
    def test_a_place_without_its_mark_or_a_mark_without_its_place(
        self, engine: Engine, images: np.ndarray, question: str, point: tuple[float, float] | None
    ) -> None:
        with pytest.raises(InstructionError, match="point"):
            engine.ask(images[:1], [question], [point])


def test_attention_is_spread_over_the_patches(engine: Engine, images: np.ndarray) -> None:
    before = engine.model.decoder.config._attn_implementation
    looked = engine.attention(images[0], QUESTIONS[0])
    side = round(engine.config.num_image_tokens**0.5)
    assert looked.shape == (side, side) and looked.dtype == np.float32
    assert (looked >= 0).all() and looked.sum() == pytest.approx(1.0, abs=1e-5)
    assert engine.model.decoder.config._attn_implementation == before
    assert (looked != engine.attention(images[1], QUESTIONS[0])).any()
