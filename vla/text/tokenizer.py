"""A byte-level BPE tokenizer whose vocabulary also holds the 256 bins of actions and locations.

Ids: the special tokens first (pad, bos, eos, image, state, then bin 0 to bin 255 in a row), then bytes and
merges. Bytes mean that any text comes back exactly; no normaliser changes it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from vla.actions.bins import NUM_BINS
from vla.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

PAD, BOS, EOS, IMAGE, STATE = "<pad>", "<bos>", "<eos>", "<image>", "<state>"
BIN_TOKENS = tuple(f"<bin_{index}>" for index in range(NUM_BINS))
SPECIAL_TOKENS = (PAD, BOS, EOS, IMAGE, STATE, *BIN_TOKENS)
NUM_BYTES = 256
MAX_TOKEN_BYTES = 12  # four Japanese characters: without spaces, longer tokens would swallow the colour
VOCAB_SIZE = 2048  # enough for our English and Japanese; rare text falls back to bytes


def train_tokenizer(lines: Iterable[str], vocab_size: int = VOCAB_SIZE) -> "PreTrainedTokenizerFast":
    """Train the tokenizer; the same lines give the same tokenizer.

    Args:
        lines: text as the agent will read and write it.
        vocab_size: ids in all, special tokens and the 256 bytes included. Little text may give fewer.

    Returns:
        A tokenizer that ``save_pretrained`` writes and ``AutoTokenizer`` loads.

    Raises:
        ConfigError: vocab_size leaves no room for special tokens and bytes.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    smallest = len(SPECIAL_TOKENS) + NUM_BYTES
    if vocab_size < smallest:
        raise ConfigError(f"vocab_size is {vocab_size}; special tokens and bytes alone need {smallest}")
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=MAX_TOKEN_BYTES,
        show_progress=False,
    )
    backend.train_from_iterator(lines, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        clean_up_tokenization_spaces=False,
    )


def load_tokenizer(path: Path) -> "PreTrainedTokenizerFast":
    """Load a tokenizer that ``save_pretrained`` wrote.

    Args:
        path: the folder.

    Returns:
        The tokenizer, with every special token in its vocabulary.

    Raises:
        CheckpointError: the folder is missing, is not a tokenizer, or lacks the action tokens.
    """
    from transformers import PreTrainedTokenizerFast

    path = Path(path)
    if not (path / "tokenizer.json").is_file():
        raise CheckpointError(f"no tokenizer in {path}: no tokenizer.json. Make one with vla train-tokenizer")
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(path, local_files_only=True)
    except Exception as error:  # the Rust parser raises bare Exception
        raise CheckpointError(f"{path / 'tokenizer.json'} cannot be read: {error}") from error
    bin_token_start(tokenizer)
    return tokenizer


def add_action_tokens(tokenizer: "PreTrainedTokenizerBase") -> int:
    """Give a pretrained tokenizer, such as GPT-2's, the special tokens that it lacks.

    The model's embeddings must be resized afterwards.

    Args:
        tokenizer: changed in place. A padding, beginning or end token of its own is kept.

    Returns:
        How many ids were added at the end of its vocabulary.
    """
    size_before = len(tokenizer)
    for role, token in (("pad_token", PAD), ("bos_token", BOS), ("eos_token", EOS)):
        if getattr(tokenizer, role) is None:
            tokenizer.add_special_tokens({role: token})
    tokenizer.add_tokens([IMAGE, STATE, *BIN_TOKENS], special_tokens=True)
    return len(tokenizer) - size_before


def bin_token_start(tokenizer: "PreTrainedTokenizerBase") -> int:
    """Find the id of bin 0; bin k has this id + k.

    Args:
        tokenizer: one that ``train_tokenizer`` made or ``add_action_tokens`` extended.

    Returns:
        The id.

    Raises:
        CheckpointError: the tokenizer lacks the bins, or their ids are not in a row.
    """
    vocabulary = tokenizer.get_vocab()
    ids = [vocabulary.get(token) for token in BIN_TOKENS]
    start = ids[0]
    if start is None or ids != list(range(start, start + NUM_BINS)):
        raise CheckpointError(
            f"the tokenizer lacks the {NUM_BINS} action tokens {BIN_TOKENS[0]} to {BIN_TOKENS[-1]} "
            "with ids in a row; make one with vla train-tokenizer"
        )
    return start


def token_id(tokenizer: "PreTrainedTokenizerBase", token: str) -> int:
    """Find the id of a special token.

    Args:
        tokenizer: one that ``train_tokenizer`` made or ``add_action_tokens`` extended.
        token: one of ``SPECIAL_TOKENS``.

    Returns:
        The id.

    Raises:
        CheckpointError: the tokenizer lacks it.
    """
    token_id = tokenizer.get_vocab().get(token)
    if token_id is None:
        raise CheckpointError(f"the tokenizer lacks the token {token}; make one with vla train-tokenizer")
    return token_id


def encode_text(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """Encode text as plain text: "<image>" or "<bin_3>" typed by someone stays text.

    Args:
        tokenizer: any fast tokenizer.
        text: any unicode text.

    Returns:
        Token ids, none of them special.
    """
    ids: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


def decode_text(tokenizer: "PreTrainedTokenizerBase", ids: Iterable[int]) -> str:
    """Decode token ids to text, leaving special tokens out.

    Args:
        tokenizer: the one that encoded them.
        ids: token ids.

    Returns:
        The text; ``decode_text(encode_text(text)) == text``.
    """
    return str(tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))
