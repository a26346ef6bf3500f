"""Draw questions about a scene whose answers the simulator knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sim.errors import unknown_name
from sim.language import families as kinds
from sim.language.families import Question, Rng
from sim.language.truth import SceneView
from sim.language.vocabulary import Vocabulary, pick, vocabulary
from sim.scene import Scene

TRIES = 4  # draws that may be wasted for each question wanted

_FAMILY: dict[str, Callable[[SceneView, Vocabulary, Rng], Question | None]] = {
    "color": kinds.ask_color,
    "existence": kinds.ask_existence,
    "count": kinds.ask_count,
    "relation": kinds.ask_relation,
    "location": kinds.ask_location,
    "inventory": kinds.ask_inventory,
    "color_at": kinds.ask_color_at,
    "done": kinds.ask_done,
    "state": kinds.ask_state,
}
FAMILIES = tuple(_FAMILY)


def questions(
    scene: Scene,
    rng: Rng,
    language: str,
    n: int = 4,
    families: Sequence[str] | None = None,
) -> list[Question]:
    """Draw different questions about the visible objects of a scene.

    Args:
        scene: `info["scene"]` of an env, or the scene of a still picture.
        rng: source of every draw.
        language: "en" or "ja".
        n: how many questions.
        families: kinds to draw from, equally likely; a repeated name is drawn more often. None means all.
    Returns:
        Up to n questions: fewer where the scene offers too little to ask, as an empty table does.
    Raises:
        SimError: unknown language or family.
    """
    words = vocabulary(language)
    names = FAMILIES if families is None else families
    for name in names:
        if name not in _FAMILY:
            raise unknown_name("question family", name, FAMILIES)
    view = SceneView(scene)
    asked: dict[tuple[str, tuple[float, float] | None], Question] = {}
    for _ in range(n * TRIES):
        if len(asked) == n:
            break
        question = _FAMILY[pick(rng, names)](view, words, rng)
        if question is not None:
            asked[question.question, question.point] = question
    return list(asked.values())
