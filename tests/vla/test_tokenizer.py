import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from vla.errors import CheckpointError, ConfigError
from vla.text.tokenizer import (
    BIN_TOKENS,
    SPECIAL_TOKENS,
    add_action_tokens,
    bin_token_start,
    decode_text,
    encode_text,
    load_tokenizer,
    token_id,
    train_tokenizer,
)

LINES = [
    f"{verb} the {color} block" for verb in ("pick up", "push", "reach") for color in ("red", "green", "blue")
] + ["赤いブロックを取ってください", "青いボウルはどこですか", "put the red block in the blue bowl"]

any_text = st.text(st.characters(exclude_categories=["Cs"]))  # surrogates alone are not valid Unicode text


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(LINES)


@pytest.fixture(scope="module")
def folder(tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save_pretrained(path)
    return path


def test_ids_are_special_tokens_then_bytes_then_merges(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == list(range(261))
    assert bin_token_start(tokenizer) == token_id(tokenizer, BIN_TOKENS[0]) == 5
    with pytest.raises(CheckpointError, match="lacks the token <mask>"):
        token_id(tokenizer, "<mask>")
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1, 2)
    assert 261 + 256 < len(tokenizer) <= 2048


@given(text=any_text)
def test_any_text_comes_back(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    ids = encode_text(tokenizer, text)
    assert decode_text(tokenizer, ids) == text
    assert all(token >= 261 for token in ids)


@given(pieces=st.lists(st.sampled_from([*SPECIAL_TOKENS, " ", "  ", "red", "\n", "赤"])))
def test_special_tokens_typed_by_someone_stay_text(
    tokenizer: PreTrainedTokenizerFast, pieces: list[str]
) -> None:
    text = "".join(pieces)
    ids = encode_text(tokenizer, text)
    assert decode_text(tokenizer, ids) == text
    assert all(token >= 261 for token in ids)


def test_spaces_before_punctuation_stay(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "is it red ? no , it 's blue ."
    assert decode_text(tokenizer, encode_text(tokenizer, text)) == text


def test_known_words_are_short(tokenizer: PreTrainedTokenizerFast) -> None:
    assert len(encode_text(tokenizer, "the red block")) <= 4


def test_decoding_leaves_special_tokens_out(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = [1, *encode_text(tokenizer, "red"), bin_token_start(tokenizer) + 3, 2, 0, 0]
    assert decode_text(tokenizer, ids) == "red"


def test_same_lines_give_the_same_tokenizer(tokenizer: PreTrainedTokenizerFast) -> None:
    again = train_tokenizer(iter(LINES))
    assert again.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()


def test_vocabulary_size_is_kept() -> None:
    assert len(train_tokenizer(LINES, vocab_size=530)) == 530
    with pytest.raises(ConfigError, match="517"):
        train_tokenizer(LINES, vocab_size=516)


@given(text=any_text)
def test_loaded_tokenizer_is_the_same(tokenizer: PreTrainedTokenizerFast, folder: Path, text: str) -> None:
    for loaded in (load_tokenizer(folder), AutoTokenizer.from_pretrained(folder)):
        assert isinstance(loaded, PreTrainedTokenizerFast)
        assert loaded.get_vocab() == tokenizer.get_vocab()
        assert loaded.special_tokens_map == tokenizer.special_tokens_map
        assert encode_text(loaded, text) == encode_text(tokenizer, text)


def test_pretrained_tokenizer_is_extended() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    backend.train_from_iterator(LINES, trainer)
    pretrained = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|endoftext|>")
    before = len(pretrained)
    added = add_action_tokens(pretrained)
    assert added == len(pretrained) - before == 260  # it had an end token of its own
    assert pretrained.eos_token == "<|endoftext|>"
    assert pretrained.pad_token == "<pad>"
    assert bin_token_start(pretrained) == len(pretrained) - 256
    assert decode_text(pretrained, encode_text(pretrained, "<bin_3> 赤")) == "<bin_3> 赤"
    assert add_action_tokens(pretrained) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no tokenizer in"), ("{", "cannot be read"), ('{"model": 3}', "cannot be read")],
)
def test_broken_folder_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(CheckpointError, match=message):
        load_tokenizer(tmp_path)


def test_tokenizer_without_bins_is_refused(folder: Path, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        text = (folder / name).read_text(encoding="utf-8").replace(BIN_TOKENS[7] + '"', '<other>"')
        json.loads(text)
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match="lacks the 256 action tokens"):
        load_tokenizer(tmp_path)
