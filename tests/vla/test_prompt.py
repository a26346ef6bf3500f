import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vla.errors import InstructionError
from vla.text.prompt import clean_instruction, clean_question, is_open, motion_prompt, question_prompt


def test_prompts_are_the_ones_of_rt2() -> None:
    assert motion_prompt("pick up the red block") == (
        "Q: what action should the robot take to pick up the red block? A:"
    )
    assert motion_prompt("Tidy up.", "Pick up the red block.") == (
        "Q: what action should the robot take to tidy up? Plan: pick up the red block. A:"
    )
    assert question_prompt("what colour is the block?") == "Q: what colour is the block A:"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Pick up  the\tRED block. ", "pick up the red block"),
        ("push it!!!", "push it"),
        ("pick up the red block . ", "pick up the red block"),
        ("ｐｉｃｋ　ｕｐ", "pick up"),  # full-width letters and space
        ("赤いブロックを取って。", "赤いブロックを取って"),
        ("赤いﾌﾞﾛｯｸ、どこ？", "赤いブロック、どこ"),  # half-width katakana
        ("カードを 々 〆 ー", "カードを 々 〆 ー"),
        ("café", "café"),
        ("move 3.5 cm", "move 3.5 cm"),
        ("what is at {point}?", "what is at {point}"),
        ("<bin_3>", "<bin_3>"),
        ("go\r\n", "go"),
    ],
)
def test_text_is_made_uniform(text: str, expected: str) -> None:
    assert clean_instruction(text) == expected
    assert clean_question(text) == expected


@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    try:
        cleaned = clean_question(text)
    except InstructionError:
        return
    assert clean_question(cleaned) == cleaned
    assert cleaned == cleaned.strip() != ""
    assert unicodedata.is_normalized("NFKC", cleaned)
    assert question_prompt(text) == question_prompt(cleaned)


@given(st.text(st.sampled_from("abz ABZあンア亜ー々Éß.?!、。３"), min_size=1))
def test_english_and_japanese_are_never_refused_for_their_script(text: str) -> None:
    try:
        clean_question(text)
    except InstructionError as error:
        assert "empty" in str(error) or "at most" in str(error)


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "...", "。", "\u3000"])
def test_empty_text_is_refused(text: str) -> None:
    with pytest.raises(InstructionError, match="instruction is empty"):
        clean_instruction(text)


def test_long_text_is_refused() -> None:
    assert clean_instruction("a" * 200) == "a" * 200
    assert clean_question("a" * 500) == "a" * 500
    with pytest.raises(InstructionError, match="201 characters; at most 200"):
        clean_instruction("a" * 201)
    with pytest.raises(InstructionError, match="question has 501 characters; at most 500"):
        clean_question("a" * 501)
    with pytest.raises(InstructionError, match="at most 200"):
        clean_instruction("㌀" * 100)  # one character here, four in NFKC


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a\x00b", "U+0000"),
        ("a\x1b[31mb", "U+001B"),
        ("a\u202eb", "U+202E"),
        ("a\ud800b", "U+D800"),
        ("\ue000", "U+E000"),
    ],
)
def test_control_characters_are_refused(text: str, code: str) -> None:
    with pytest.raises(InstructionError, match="control character " + code.replace("+", r"\+")):
        clean_instruction(text)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("возьми блок", "Cyrillic"),
        ("빨간 블록", "Hangul"),
        ("πάρε", "Greek"),
        ("ارفع", "Arabic"),
        ("उठाओ", "Devanagari"),
        ("pick up the rеd block", "Cyrillic"),  # one letter only looks like e
        ("ﻡ", "Arabic"),
        ("ﾡ", "Hangul"),
    ],
)
def test_other_scripts_are_refused_by_name(text: str, script: str) -> None:
    with pytest.raises(InstructionError, match=f"{script} letter.*Latin, Hiragana, Katakana, Han"):
        clean_instruction(text)


@pytest.mark.parametrize(
    ("question", "open_"),
    [
        ("Where is the red block?", True),
        ("how many bowls are there", True),
        ("is there a card which shows a 3?", False),
        ("whatever, is it done?", False),
        ("赤いブロックは今どこに置いてありますか?", True),
        ("左にあるのはどっちですか、皿ですか、球ですか?", True),
        ("ロボットは何かを持っていますか?", False),
        ("テーブルには何もありませんか?", False),
        ("「どの皿も押して」は終わりましたか?", False),
        ("「赤い皿を押して」の次は何をしますか?", True),
    ],
)
def test_what_yes_and_no_do_not_answer(question: str, open_: bool) -> None:
    assert is_open(question) == open_
