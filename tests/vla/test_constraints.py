import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from vla.actions.bins import NUM_BINS, TOKENS_PER_ACTION, BinTokenizer
from vla.actions.stats import Quantiles
from vla.inference.constraints import (
    EMPTY,
    ENDED,
    HALF_PLACE,
    NEAR_BINS,
    OPEN,
    PLACE,
    WORD,
    AnswerGrammar,
    action_slots,
    chance_near,
    choose_bin,
)
from vla.inference.engine import Engine
from vla.text.tokenizer import BIN_TOKENS, IMAGE, STATE, load_tokenizer

START, EOS, VOCABULARY = 5, 2, 5 + NUM_BINS + 20
SPECIAL = [0, 1, 2, 3, 4]
FOREIGN = [VOCABULARY - 2, VOCABULARY - 1]
VERDICTS = [VOCABULARY - 4, VOCABULARY - 3]


@pytest.fixture(scope="module")
def grammar() -> AnswerGrammar:
    return AnswerGrammar(VOCABULARY, START, EOS, SPECIAL, FOREIGN, VERDICTS)


def statistics(constant: list[bool]) -> Quantiles:
    q01 = np.full(7, -0.5, dtype=np.float32)
    return Quantiles(q01, np.where(constant, q01, 0.5))


@given(st.lists(st.booleans(), min_size=7, max_size=7))
def test_action_slots_are_never_empty_and_admit_only_what_decodes(constant: list[bool]) -> None:
    slots = action_slots(statistics(constant), 1, 0)
    assert slots.shape == (TOKENS_PER_ACTION, NUM_BINS)
    assert slots.any(axis=1).all()
    assert np.flatnonzero(slots[0]).tolist() == [0, NUM_BINS - 1]
    for slot, still in zip(slots[1:], constant, strict=True):
        assert slot.sum() == (1 if still else NUM_BINS)
    planned = action_slots(statistics(constant), 2, 2)
    assert planned[:2].all()  # any place
    np.testing.assert_array_equal(planned[2:], np.concatenate([slots, slots]))


@given(st.lists(st.booleans(), min_size=7, max_size=7), st.data())
def test_whatever_the_action_mask_admits_is_an_action(constant: list[bool], data: st.DataObject) -> None:
    quantiles = statistics(constant)
    slots = action_slots(quantiles, 1, 0)
    bins = [data.draw(st.sampled_from(np.flatnonzero(slot).tolist())) for slot in slots]
    actions, _ = BinTokenizer().bins_to_chunk(np.array(bins))
    restored = quantiles.denormalise(actions)[0]
    # A dimension that never moved comes back as it was, exactly.
    assert (restored[quantiles.constant] == quantiles.q01[quantiles.constant]).all()


def test_an_action_is_a_median_and_a_place_a_mode() -> None:
    logits = torch.full((1, NUM_BINS), -torch.inf)
    logits[0, [10, 20, 30, 200]] = torch.log(torch.tensor([0.25, 0.2, 0.25, 0.3]))
    for place, bin_, chance in ((False, 30, 0.25), (True, 200, 0.3)):
        best, bins = choose_bin(logits, place)
        assert bins.tolist() == [bin_]
        assert best.item() == pytest.approx(chance)


@given(st.lists(st.floats(0, 0.999), min_size=1, max_size=12), st.booleans())
def test_answers_follow_the_grammar_whatever_is_chosen(choices: list[float], english: bool) -> None:
    grammar = AnswerGrammar(VOCABULARY, START, EOS, SPECIAL, FOREIGN, VERDICTS)
    state = torch.zeros(1, dtype=torch.long)
    written: list[int] = []
    for choice in choices:
        allowed = grammar.allowed(state, torch.tensor([english]))[0].nonzero().flatten().tolist()
        assert allowed, "a mask is never empty"
        token = allowed[int(choice * len(allowed))]
        written.append(token)
        state = grammar.advance(state, torch.tensor([token]))
    assert written[0] != EOS, "an answer says something"
    ended = written.index(EOS) if EOS in written else len(written)
    assert all(token == EOS for token in written[ended:]), "nothing follows the end"
    said = written[:ended]
    assert not any(token in SPECIAL for token in said)
    assert not (english and any(token in FOREIGN for token in said))
    runs = ["".join(group) for _, group in itertools.groupby("b" if is_bin(token) else "w" for token in said)]
    places = [len(run) for run in runs if run[0] == "b"]
    # A place is two bins; only the last one may be unfinished, where the writing was broken off.
    assert all(length == 2 for length in places[:-1])
    assert not places or places[-1] == 2 or (places[-1] == 1 and ended == len(written) and runs[-1] == "b")


def is_bin(token: int) -> bool:
    return START <= token < START + NUM_BINS


def test_each_state_worked_by_hand(grammar: AnswerGrammar) -> None:
    word, low, high = START + NUM_BINS, START, START + NUM_BINS - 1
    bins = set(range(START, START + NUM_BINS))
    words = set(range(VOCABULARY)) - bins - set(SPECIAL)

    def allowed_after(*tokens: int, english: bool = False) -> set[int]:
        state, language = torch.zeros(1, dtype=torch.long), torch.tensor([english])
        for token in tokens:
            assert bool(grammar.allowed(state, language)[0, token]), tokens
            state = grammar.advance(state, torch.tensor([token]))
        return set(grammar.allowed(state, language)[0].nonzero().flatten().tolist())

    assert allowed_after() == words | bins
    assert allowed_after(english=True) == words - set(FOREIGN) | bins
    open_ = grammar.begin(["where is it?"])
    assert grammar.allowed(open_, torch.tensor([False]))[0].nonzero().flatten().tolist() == sorted(
        (words | bins) - set(VERDICTS)
    )
    assert grammar.advance(open_, torch.tensor([word])).tolist() == [WORD]
    assert allowed_after(word) == words | bins | {EOS}
    assert allowed_after(low) == allowed_after(word, high) == bins
    assert allowed_after(low, high) == allowed_after(word, low, low) == words | {EOS}
    assert allowed_after(low, high, word) == words | bins | {EOS}
    assert allowed_after(low, high, EOS) == allowed_after(word, EOS, EOS) == {EOS}


def test_states_of_a_batch_go_their_own_ways(grammar: AnswerGrammar) -> None:
    word, place = START + NUM_BINS, START + 9
    state = grammar.advance(torch.zeros(2, dtype=torch.long), torch.tensor([word, place]))
    state = grammar.advance(state, torch.tensor([EOS, place]))
    allowed, other = (grammar.allowed(state, torch.tensor([True, english])) for english in (False, True))
    assert allowed[0].nonzero().flatten().tolist() == [EOS]
    assert bool(allowed[1, word]) and not bool(allowed[1, place])
    assert allowed[1, FOREIGN].all() and not other[1, FOREIGN].any()


def test_no_special_token_of_a_real_tokenizer_is_ever_admitted(
    tokenizer_folder: Any, model_and_processor: Any
) -> None:
    tokenizer: PreTrainedTokenizerFast = load_tokenizer(tokenizer_folder)
    engine = Engine(*model_and_processor)
    never = tokenizer.convert_tokens_to_ids([tokenizer.pad_token, tokenizer.bos_token, IMAGE, STATE])
    bins = tokenizer.convert_tokens_to_ids(list(BIN_TOKENS))
    table = engine.grammar.table
    assert table.any(dim=1).all()
    assert not table[:, never].any()
    may_be_bins = [EMPTY, WORD, HALF_PLACE, OPEN]
    assert table[may_be_bins][:, bins].all() and not table[[PLACE, ENDED]][:, bins].any()
    # Everything else is text, and may begin and continue an answer.
    text = sorted(set(range(len(tokenizer))) - set(never) - set(bins) - {tokenizer.eos_token_id})
    assert table[[EMPTY, WORD, PLACE]][:, text].all() and not table[[HALF_PLACE, ENDED]][:, text].any()
    kept_out = [tokenizer.decode(token).strip() for token in text if not table[OPEN, token]]
    assert set(kept_out) <= {"yes", "no", "はい", "いいえ"}


def test_english_is_answered_in_english_whatever_a_model_has_learned(model_and_processor: Any) -> None:
    engine = Engine(*model_and_processor)
    pictures = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    said = {
        question: "".join(answer.text for answer in engine.ask(pictures, [question] * len(pictures)))
        for question in ("where is everything?", "何がどこにありますか?")
    }
    english, japanese = said.values()
    assert english.isascii() and not japanese.isascii()  # drawn weights say anything that they may


def test_bins_near_a_place_count_as_it_does() -> None:
    chances = torch.zeros(3, NUM_BINS)
    chances[0, 100 - NEAR_BINS : 100 + NEAR_BINS + 1] = 0.05
    chances[0, 100 + NEAR_BINS + 1] = 0.15
    chances[1, :2], chances[2, 255] = 0.5, 1.0
    near = chance_near(chances, torch.tensor([100, 0, 255]))
    torch.testing.assert_close(near, torch.tensor([0.85, 1.0, 1.0]))
