"""Draw questions about a scene whose answers the simulator knows."""

from __future__ import annotations

from collections.abc import Sequence

from sim.errors import unknown_name
from sim.language.families import ASKERS, FAMILIES
from sim.language.families.base import Question, Rng
from sim.language.naming import Naming
from sim.language.truth import SceneView
from sim.language.vocabulary import Phrasing, pick, vocabulary
from sim.scene import Scene

TRIES = 4  # draws that may be wasted for each question wanted


def questions(
    scene: Scene,
    rng: Rng,
    language: str,
    n: int = 4,
    families: Sequence[str] | None = None,
    phrasing: Phrasing = "train",
) -> list[Question]:
    """Draw different questions about the visible objects of a scene.

    Args:
        scene: `info["scene"]` of an env, or the scene of a still picture.
        rng: source of every draw.
        language: "en" or "ja".
        n: how many questions.
        families: kinds to draw from, equally likely; a repeated name is drawn more often. None means all.
        phrasing: "held_out" draws from wordings that are kept out of all training text.
    Returns:
        Up to n questions: fewer where the scene offers too little to ask, as an empty table does.
    Raises:
        SimError: unknown language, family or phrasing.
    """
    words = vocabulary(language)
    names = FAMILIES if families is None else families
    for name in names:
        if name not in ASKERS:
            raise unknown_name("question family", name, FAMILIES)
    if phrasing not in ("train", "held_out"):
        raise unknown_name("phrasing", phrasing, ("train", "held_out"))
    view = SceneView(scene)
    naming = Naming(view, words)
    asked: dict[tuple[str, tuple[float, float] | None], Question] = {}
    for _ in range(n * TRIES):
        if len(asked) == n:
            break
        question = ASKERS[pick(rng, names)](view, naming, rng, phrasing)
        if question is not None:
            asked[question.question, question.point] = question
    return list(asked.values())
