"""Draw the sentence that tells the robot what to do."""

from __future__ import annotations

from typing import Literal

import numpy as np

from sim.errors import SimError, unknown_name
from sim.language.naming import Naming
from sim.language.progress import Parts
from sim.language.references import draw_reference, reasoning_references, write_reference
from sim.language.truth import SceneView
from sim.language.vocabulary import Phrasing, Vocabulary, pick, vocabulary
from sim.scene import Scene

ROLE_NAMES = ("target", "goal", "third")


def instruction(
    scene: Scene,
    language: str,
    rng: np.random.Generator,
    *,
    phrasing: Phrasing = "train",
    reference: Literal["plain", "reasoning"] = "plain",
) -> str:
    """Draw an instruction for a scene's own task, such as "pick the red cube up" or "赤い玉を取って".

    The template is drawn without looking at the objects.

    Args:
        scene: `info["scene"]` of an env: its task, target, goal and third are read, and all objects.
        language: "en" or "ja".
        rng: source of every draw.
        phrasing: "held_out" draws from wordings that are kept out of all training text.
        reference: "reasoning" tells the target or the goal by what must be reasoned out.
    Returns:
        Lower-case text without a final full stop.
    Raises:
        SimError: unknown task, language, phrasing or kind of reference, or one for which the scene gives no
            way to reason (`reasoning_references` is empty).
    """
    words = vocabulary(language)
    if scene["task"] not in words.instructions:
        raise unknown_name("task", scene["task"], words.instructions)
    if phrasing not in ("train", "held_out"):
        raise unknown_name("phrasing", phrasing, ("train", "held_out"))
    if reference not in ("plain", "reasoning"):
        raise unknown_name("reference", reference, ("plain", "reasoning"))
    view = SceneView(scene)
    template = draw_template(scene["task"], words, rng, phrasing)
    naming = Naming(view, words)
    names = {"target": scene["target"], "goal": scene.get("goal"), "third": scene.get("third")}
    phrases = {
        role: naming.phrase(rng, view.by_name[name]) if name is not None else ""
        for role, name in names.items()
    }
    if reference == "reasoning":
        possible = reasoning_references(scene)
        if not possible:
            raise SimError(
                f"nothing in this scene of {scene['task']!r} can be told by reasoning; draw another scene"
            )
        chosen = draw_reference(possible, rng)
        phrases[chosen.role] = write_reference(chosen, view, words, rng)
    return template.format(**phrases)


def draw_template(task: str, words: Vocabulary, rng: np.random.Generator, phrasing: Phrasing) -> str:
    """Draw a template of a task."""
    return pick(rng, (words.instructions if phrasing == "train" else words.held_out)[task])


def write_instruction(
    task: str,
    parts: Parts,
    words: Vocabulary,
    naming: Naming,
    rng: np.random.Generator,
    phrasing: Phrasing = "train",
) -> str:
    """Draw an instruction for any task about given objects."""
    template = draw_template(task, words, rng, phrasing)
    phrases = [naming.phrase(rng, item) for item in parts[:3]]
    return template.format(**dict(zip(ROLE_NAMES, phrases, strict=False)))
