"""Questions about tasks: whether one is done, whether it can be done, and what comes next."""

from __future__ import annotations

from sim.language.families.base import RARE, Question, Rng
from sim.language.infeasible import draw_infeasible
from sim.language.instructions import write_instruction
from sim.language.naming import Naming
from sim.language.progress import TASKS, Parts, can_do, can_play, draw_parts, is_done
from sim.language.steps import next_step, write_step
from sim.language.truth import SceneView
from sim.language.vocabulary import Phrasing, pick

FIRST_TASKS = ("reach", "push", "pick_up", "place_in_bowl")  # those of the basic split
DRAWS = 6  # sets of objects looked at for one that shows the wanted answer
ONE_SIDED = 0.1  # how often to ask about a task where only one of yes and no could be the answer
OWN = 0.3  # share of questions about the scene's own task
OWN_NEXT, OWN_PARTS = 0.6, 0.6  # of a scene's own task of several steps, and its own objects: what comes next
SEVERAL_STEPS = ("stack_three", "swap", "sort_by_color", "put_in_drawer")


def ask_done(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask whether an instruction has been carried out: half yes where one of that task has been."""
    words = naming.words
    task = _draw_task(view, rng)
    cases: dict[bool, list[Parts]] = {True: [], False: []}
    for parts in _draw_many(view, naming, task, rng):
        state = is_done(view, task, parts)
        if state is not None:
            cases[state].append(parts)
    wanted = rng.random() < 0.5
    if not cases[wanted] or (not cases[not wanted] and rng.random() > ONE_SIDED):
        return None
    order = write_instruction(task, pick(rng, cases[wanted]), words, naming, rng)
    text = words.draw_question(rng, "done", phrasing).format(instruction=order)
    return Question(text, words.replies["yes" if wanted else "no"], None, "done", words.name)


def ask_feasible(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask whether an instruction can be carried out here and now: half yes, for each task alike."""
    words = naming.words
    task = _draw_task(view, rng)
    many = _draw_many(view, naming, task, rng)
    possible = [parts for parts in many if can_do(view, task, parts)]
    if not view.all or (not possible and rng.random() > ONE_SIDED):
        return None
    wanted = rng.random() < 0.5
    if not wanted:
        order = draw_infeasible(view, naming, rng, task, pick(rng, many) if many else None)
    elif possible:
        order = write_instruction(task, pick(rng, possible), words, naming, rng)
    else:
        return None
    text = words.draw_question(rng, "feasible", phrasing).format(instruction=order)
    return Question(text, words.replies["yes" if wanted else "no"], None, "feasible", words.name)


def ask_next_step(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask what the robot must do next to carry out an instruction."""
    words = naming.words
    several = view.scene["task"] in SEVERAL_STEPS
    task = _draw_task(view, rng, OWN_NEXT if several else OWN)
    many = _draw_many(view, naming, task, rng)
    if not many:
        return None
    # Of a task that has been begun only its own objects show a later step.
    own = several and task == view.scene["task"] and rng.random() < OWN_PARTS
    parts = many[-1] if own else pick(rng, many)
    step = next_step(view, task, parts)
    if step is None or (step.kind == "nothing" and rng.random() > RARE):
        return None
    answer = write_step(step, naming)
    if answer is None:
        return None
    order = write_instruction(task, parts, words, naming, rng)
    text = words.draw_question(rng, "next_step", phrasing).format(instruction=order)
    return Question(text, answer, None, "next_step", words.name)


def _draw_task(view: SceneView, rng: Rng, share: float = OWN) -> str:
    own = view.scene["task"]
    if own in TASKS and rng.random() < share:
        return own
    return pick(rng, FIRST_TASKS if view.basic else TASKS)


def _draw_many(view: SceneView, naming: Naming, task: str, rng: Rng) -> list[Parts]:
    """Different sets of objects for a task, each told apart by its name; the scene's own, if any, last."""
    found: dict[tuple[str, ...], Parts] = {}
    names = (view.scene["target"], view.scene["goal"], view.scene["third"])
    named = tuple(view.by_name[name] for name in names if name in view.by_name)
    drawn = [draw_parts(view, task, rng) for _ in range(DRAWS)]
    if view.scene["task"] == task and task != "sort_by_color" and named and can_play(task, named):
        drawn.append(named)
    for parts in drawn:
        if parts and all(item.visible and naming.is_namable(item) for item in parts):
            key = tuple(item.name for item in parts)
            found.pop(key, None)
            found[key] = parts
    return list(found.values())
