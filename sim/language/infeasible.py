"""Instructions that cannot be carried out: they name what is not there, or ask for what no robot can do."""

from __future__ import annotations

import numpy as np

from sim.errors import SimError
from sim.language.instructions import ROLE_NAMES, draw_template
from sim.language.naming import Naming
from sim.language.progress import ROLES, TASKS, Parts
from sim.language.truth import FIRST_SHAPES, SceneView
from sim.language.vocabulary import Phrasing, pick, vocabulary
from sim.scene import Scene

TRIES = 30
ABSENT = 0.7  # share of instructions that name what is not there
OTHER_SHAPE = 0.3  # share of those in which the absent thing is of any shape that the task could be about

_FLAT = ("zone", "card")
_FIXED = (*_FLAT, "bowl", "plate", "drawer", "button")
_SOLID = ("block", "cylinder", "ball")
# Task -> pairs of shapes as target and goal that the world does not allow, with all that is there.
IMPOSSIBLE: dict[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = {
    "pick_up": (((*_FLAT, "plate", "drawer", "button"), ()),),
    "place_in_bowl": (
        ((*_SOLID, "bottle", "ring", *_FIXED), _SOLID),
        (("plate", *_FLAT, "drawer"), ("bowl",)),
    ),
    "place_on_plate": ((("bowl", *_FLAT, "drawer"), ("plate",)),),
    "stack": ((_SOLID, ("ball",)), (("bowl", "plate", *_FLAT, "drawer"), ("block",))),
    "place_on_card": ((("bowl", "plate", "zone", "drawer"), ("card",)),),
    "push": ((("card", "drawer", "button"), ("zone",)),),
    "put_in_drawer": ((("bowl", "plate", *_FLAT, "button"), ("drawer",)), (_SOLID, _SOLID)),
    "knock_over": (((*_FLAT, "plate"), ()),),
    "place_upright": (((*_FLAT, "plate"), ()),),
    "open_drawer": (((*_SOLID, "plate", *_FLAT), ()),),
    "close_drawer": (((*_SOLID, "plate", *_FLAT), ()),),
    "swap": (((*_FLAT, "plate", "drawer"), ("block",)),),
}
# A block can be pulled and pushed: of a movable thing only opening and closing themselves make no sense.
_SAYING = {"open_drawer": ("open", "開"), "close_drawer": ("shut", "clos", "閉")}


def infeasible_instruction(
    scene: Scene, language: str, rng: np.random.Generator, *, phrasing: Phrasing = "train"
) -> str:
    """Draw an instruction that cannot be carried out in a scene.

    Either a thing that it names is nowhere on the table, not even out of sight, or it asks for what the
    world does not allow, such as to pick up a card or to open a block. The templates are those of other
    instructions.

    Args:
        scene: `info["scene"]` of an env; where something absent is named, the task is the scene's own.
        language: "en" or "ja".
        rng: source of every draw.
        phrasing: "held_out" draws from wordings that are kept out of all training text.
    Returns:
        Lower-case text without a final full stop.
    Raises:
        SimError: unknown language, or a scene without objects.
    """
    view = SceneView(scene)
    if not view.all:
        raise SimError("an empty table gives no infeasible instruction; draw another scene")
    names = (scene.get("target"), scene.get("goal"), scene.get("third"))
    own = tuple(view.by_name[name] for name in names if name is not None)
    task = scene["task"] if scene["task"] in TASKS else pick(rng, TASKS)
    return draw_infeasible(view, Naming(view, vocabulary(language)), rng, task, own or None, phrasing)


def draw_infeasible(
    view: SceneView,
    naming: Naming,
    rng: np.random.Generator,
    task: str,
    parts: Parts | None = None,
    phrasing: Phrasing = "train",
) -> str:
    """Draw an infeasible instruction about the visible objects of a scene.

    Args:
        view: the scene, not empty.
        naming: of its objects.
        rng: source of every draw.
        task: whose templates name what is absent.
        parts: objects for that task, of which one is replaced; None draws them.
        phrasing: of the template.
    """
    for _ in range(TRIES):
        if rng.random() < ABSENT:
            text = _name_absent(view, naming, rng, task, parts, phrasing)
        else:
            text = _ask_impossible(view, naming, rng, phrasing)
        if text is not None:
            return text
    template = draw_template("pick_up", naming.words, rng, phrasing)
    return template.format(target=naming.absent(rng, "block"))


def _name_absent(
    view: SceneView,
    naming: Naming,
    rng: np.random.Generator,
    task: str,
    parts: Parts | None,
    phrasing: Phrasing,
) -> str | None:
    """Put an absent thing into one part, usually one like what is there in a colour that is not."""
    if task == "sort_by_color":
        return None
    roles = [shapes for shapes in (ROLES[task].target, ROLES[task].goal, ROLES[task].third) if shapes]
    if view.basic:
        roles = [tuple(shape for shape in shapes if shape in FIRST_SHAPES) for shapes in roles]
    changed = int(rng.random() * len(roles))
    phrases: list[str] = []
    for index, shapes in enumerate(roles):
        fitting = [item for item in view.items if item.shape in shapes and naming.is_namable(item)]
        item = parts[index] if parts else pick(rng, fitting) if fitting else None
        if index != changed:
            if item is None or (phrase := naming.phrase(rng, item)) in phrases:
                return None
        elif not shapes:
            return None
        else:
            like = item is not None and item.shape in naming.words.nouns and rng.random() > OTHER_SHAPE
            phrase = naming.absent(rng, item.shape if item is not None and like else pick(rng, shapes))
        phrases.append(phrase)
    template = draw_template(task, naming.words, rng, phrasing)
    return template.format(**dict(zip(ROLE_NAMES, phrases, strict=False)))


def _ask_impossible(
    view: SceneView, naming: Naming, rng: np.random.Generator, phrasing: Phrasing
) -> str | None:
    task = pick(rng, tuple(IMPOSSIBLE))
    targets, goals = pick(rng, IMPOSSIBLE[task])
    named = [item for item in view.items if naming.is_namable(item) and item.shape in naming.words.nouns]
    fitting = [item for item in named if item.shape in targets]
    if not fitting:
        return None
    parts = [pick(rng, fitting)]
    if goals:
        fitting = [item for item in named if item.shape in goals and item is not parts[0]]
        if not fitting:
            return None
        parts.append(pick(rng, fitting))
    # The shape must be said: "put the red object in the green object" would leave open what is meant.
    phrases = [naming.phrase(rng, item, generic=False) for item in parts]
    template = draw_template(task, naming.words, rng, phrasing)
    if task in _SAYING and not any(word in template for word in _SAYING[task]):
        return None
    return template.format(**dict(zip(ROLE_NAMES, phrases, strict=False)))
