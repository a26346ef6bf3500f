"""Which part each object plays that an instruction names: told by prepositions, particles and order."""

from __future__ import annotations

import re
from typing import NamedTuple

Roles = tuple[int | None, int | None, int | None]
"""Indices of the mentions that are target, goal and third."""


class Mention(NamedTuple):
    """Where in a text an object is named."""

    start: int
    end: int


# English: the words right before an object. Those of a goal say where something goes.
_TO_GOAL = re.compile(
    r"\b(?:in|into|inside|on|onto|on top of|to|at|near|beside|next to|close to|by|against|touches|for)"
    r"\s+(?:the\s+|an?\s+)?$"
)
_COVER = re.compile(r"\b(?:cover|hide)\b|隠|覆")  # the goal with the target
_DOWNWARDS, _UPWARDS = re.compile(r"from top to bottom|上から"), re.compile(r"from bottom to top|下から")
# Japanese: what follows an object.
_OBJECT = re.compile(r"(?:だけ)?(?:を|が|は)")
_PLACE = re.compile(
    r"(?:の(?:上|中|横|隣|そば|すぐそば|近く|ところ|すぐ横|脇|なか|うえ|よこ)|)(?:に|へ|まで)|の上(?=[、。]|$)"
)
_ON_THAT_JA = re.compile("その上")
_JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")


def assign_roles(text: str, mentions: list[Mention]) -> Roles:
    """Tell target, goal and third apart.

    Args:
        text: folded to lower case.
        mentions: the objects in the order in which they are named; one named twice stands there twice.
    """
    if not mentions:
        return None, None, None
    names = [text[mention.start : mention.end] for mention in mentions]
    if len(mentions) >= 3:
        for pattern, order in ((_DOWNWARDS, (0, 1, 2)), (_UPWARDS, (2, 1, 0))):
            if pattern.search(text):
                return order
    japanese = _JAPANESE.search(text) is not None
    is_goal = _japanese_goals(text, mentions) if japanese else _english_goals(text, mentions)
    if len(mentions) >= 3:
        return _tower(text, mentions, names, is_goal)
    if len(mentions) == 1:
        return 0, None, None
    first, second = is_goal
    if _COVER.search(text):
        by_first = text.startswith("で", mentions[0].end)
        return (0, 1, None) if by_first else (1, 0, None)
    return (1, 0, None) if first and not second else (0, 1, None)


def _english_goals(text: str, mentions: list[Mention]) -> list[bool]:
    starts = [0] + [mention.end for mention in mentions[:-1]]
    return [
        _TO_GOAL.search(text[start : mention.start]) is not None
        for start, mention in zip(starts, mentions, strict=True)
    ]


def _japanese_goals(text: str, mentions: list[Mention]) -> list[bool]:
    return [
        _OBJECT.match(text, mention.end) is None and _PLACE.match(text, mention.end) is not None
        for mention in mentions
    ]


def _tower(text: str, mentions: list[Mention], names: list[str], is_goal: list[bool]) -> Roles:
    """Read "A on B" twice, or "A on B on C", as a tower of three: top, middle, bottom."""
    pairs: list[tuple[int, int]] = []
    top, below, last = None, None, None
    for index, mention in enumerate(mentions):
        if not is_goal[index]:
            below_that = last is not None and _ON_THAT_JA.search(
                text[mentions[index - 1].end : mention.start]
            )
            if below_that and last is not None:
                pairs.append((index, last))
                continue
            top = index
        else:
            below = index
        if top is not None and below is not None:
            pairs.append((top, below))
            last = top
            # In "A on B on C" the B that A stands on is what stands on C.
            top, below = (below, None) if is_goal[index] and _chains(is_goal, index) else (None, None)
    if len(pairs) == 1 and top is not None and top not in pairs[0]:
        pairs.append((top, pairs[0][0]))  # "stack B on C, then A on top"
    return _chain(pairs, names)


def _chains(is_goal: list[bool], index: int) -> bool:
    return index + 1 < len(is_goal) and is_goal[index + 1]


def _chain(pairs: list[tuple[int, int]], names: list[str]) -> Roles:
    """Order two pairs (upper, lower) that share their middle object, by name."""
    for upper, middle in pairs:
        for other, lower in pairs:
            if (upper, middle) != (other, lower) and names[middle] == names[other]:
                return upper, middle, lower
    if pairs:
        return pairs[0][0], pairs[0][1], None
    return 0, 1, 2
