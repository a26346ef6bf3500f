"""What a policy does: it acts, answers, talks, and is measured."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Positional

from vla.errors import ConfigError
from vla.verbs.options import (
    DEFAULT_POLICY,
    Device,
    File,
    Folder,
    ImagePath,
    Json,
    Language,
    Number,
    OutFolder,
    Overrides,
    Questions,
    Text,
    load_engine,
)

if TYPE_CHECKING:
    from vla.inference.engine import Engine


def rollout(
    task: str = "pick_up",
    split: str = "seen",
    instruction: Text = None,
    language: Text = None,
    episodes: int = 20,
    seed: int = 0,
    video: File = None,
    policy: Folder = None,
    expert: bool = False,
    random: bool = False,
    plan: bool = False,
    env: File = None,
    device: Device = "auto",
    renderer: Literal["tiny", "egl", "auto"] = "tiny",
    envs: int = 8,
    execute: int = 2,
    as_json: Json = False,
) -> None:
    """Let a policy carry out an instruction in simulation and count how often it succeeds.

    Example: vla rollout --task pick_up --instruction "pick up the red block" --episodes 20 --video out.mp4

    Args:
        task: one of the 18 of docs/tasks.md.
        split: what scenes are drawn from, see docs/evaluation.md; the default policy learned seen.
        instruction: English or Japanese; what it names stands on the table. Without it each episode draws
            its own.
        language: of drawn instructions, en or ja; without it that of the split.
        episodes: how many.
        seed: of the first episode; each next one has the next seed.
        video: film of the first episodes, .mp4 or .gif.
        policy: checkpoint folder; without it the default one.
        expert: let the scripted expert act, who sees the truth: a ceiling.
        random: act at random: a floor.
        plan: let the policy say what it does next before it does it; written whenever that changes.
        env: recipe of another gymnasium env, in which the policy is played instead of a task of ours.
        device: where the policy runs.
        renderer: tiny draws in software, egl on a graphics card, auto takes the faster one.
        envs: simulators at a time.
        execute: actions executed of each chunk that is decided.
        as_json: print one JSON object and nothing else.
    """
    from vla.data.schema import ROBOT_TYPE
    from vla.evaluation import rollout as rolling
    from vla.evaluation import video as film
    from vla.evaluation.drivers import CAMERA, Driver, ExpertDriver, PolicyDriver, RandomDriver
    from vla.evaluation.planning import PlanningDriver
    from vla.inference.chunking import check_execute
    from vla.text.prompt import clean_instruction

    if instruction is not None:
        clean_instruction(instruction)
    if video is not None:
        film.check_video_path(video)
    if expert + random + (policy is not None) > 1:
        raise ConfigError("--expert, --random and --policy exclude each other; give one of them")
    if plan and (expert or random):
        raise ConfigError("only a policy plans in words; leave --plan out, or --expert and --random")
    if env is not None:
        if expert or random or plan or instruction or language:
            raise ConfigError(
                "--env plays a policy and its recipe says what is asked for; leave the rest out"
            )
        _rollout_env(env, episodes, seed, video, policy, device, envs, execute, as_json)
        return
    driver: Driver = ExpertDriver(task) if expert else RandomDriver()
    image_size = rolling.IMAGE_SIZE
    cameras: tuple[str, ...] = (CAMERA,)
    if not (expert or random):
        rolling.check_task(task)
        engine = load_engine(policy, device, robot=ROBOT_TYPE)
        check_execute(execute, engine.config.action_horizon)
        driver = PlanningDriver(engine, sys.stderr) if plan else PolicyDriver(engine)
        image_size, cameras = engine.config.image_size, engine.config.cameras
        _warn_of_renderer(engine, rolling.renderer_in_use(renderer))
    options = {"instruction": instruction} if instruction else {"language": language} if language else {}
    played = rolling.rollout(
        task,
        driver,
        rolling.make_starts(episodes, seed, options),
        split=split,
        renderer=renderer,
        envs=envs,
        execute=execute,
        image_size=image_size,
        cameras=cameras,
        record=film.EPISODES if video else 0,
    )
    if video is not None:
        film.write_video(video, played[: film.EPISODES])
    who = "expert" if expert else "random" if random else str(policy or DEFAULT_POLICY)
    asked = {"instruction": instruction, "language": None, **options, "seed": seed, "policy": who}
    _print_rollout(task, rolling.summarise(played), {"split": split, **asked}, as_json)


def _rollout_env(
    env: Path,
    episodes: int,
    seed: int,
    video: Path | None,
    policy: Path | None,
    device: Device,
    envs: int,
    execute: int,
    as_json: bool,
) -> None:
    """Roll a policy out in an env that is not ours."""
    from vla.config import EnvRecipe
    from vla.config_files import load_config
    from vla.evaluation import rollout as rolling
    from vla.evaluation import video as film
    from vla.evaluation.foreign import rollout_env
    from vla.inference.chunking import check_execute

    recipe = load_config(env, EnvRecipe)
    engine = load_engine(policy, device, robot=recipe.robot)
    check_execute(execute, engine.config.action_horizon)
    starts, record = rolling.make_starts(episodes, seed, {}), film.EPISODES if video else 0
    played = rollout_env(recipe, env.parent, engine, starts, envs=envs, execute=execute, record=record)
    if video is not None:
        film.write_video(video, played[: film.EPISODES])
    facts = {"env": str(env), "seed": seed, "policy": str(policy or DEFAULT_POLICY)}
    _print_rollout(recipe.name, rolling.summarise(played), facts, as_json)


def _print_rollout(task: str, summary: Mapping[str, Any], facts: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"task": task, **summary, **facts}))
        return
    low, high = summary["interval"]
    print(
        f"{task}: {summary['successes']} of {summary['episodes']} episodes succeeded, "
        f"{summary['success_rate']:.0%} (95 % interval {low:.0%} to {high:.0%}), "
        f"{summary['mean_steps']:.1f} steps on average"
    )


def _warn_of_renderer(engine: Engine, renderer: str) -> None:
    known = engine.embodiment.renderer
    if renderer != known:
        print(
            f"warning: pictures are drawn by {renderer!r}; the policy learned from {known!r}, "
            "and policies degrade under another renderer",
            file=sys.stderr,
        )


def evaluate(
    what: Positional[Literal["suite", "ask"]] = "suite",
    /,
    *,
    out: OutFolder,
    config: File = None,
    sets: Overrides = (),
    episodes: Number = None,
    policy: Folder = None,
    baselines: bool = False,
    save_failures: bool = False,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure a policy: every task, whether it heeds which object it is told, and questions about scenes.

    Interrupted, the same command goes on where it stopped. `vla eval ask` measures answers alone, and more
    of them: whether they are honest, calibrated and the same however one asks. It begins anew.

    Example: vla eval --episodes 100 --out runs/eval

    Args:
        what: suite, or ask.
        out: folder for report.json, report.md and plots; an earlier report there is replaced.
        config: YAML file that says what to measure; without it all tasks and questions of the split seen,
            100 episodes a task and 500 scenes. configs/eval/suite.yaml is every split.
        sets: changes to the configuration.
        episodes: short for --set episodes=N.
        policy: checkpoint folder; without it the default one.
        baselines: measure the scripted expert and random actions beside it.
        save_failures: film every episode that the policy fails in, named after the cause.
        device: where the policy runs.
        as_json: print the report as JSON and nothing else.
    """
    from vla.config import AskEvalConfig, EvalConfig
    from vla.config_files import load_config

    changes = list(itertools.chain.from_iterable(sets))
    if what == "ask":
        if episodes is not None or baselines or save_failures:
            raise ConfigError(
                "vla eval ask plays no episodes; leave --episodes, --baselines, --save-failures out"
            )
        asking_config = load_config(config, AskEvalConfig, changes)
        from vla.evaluation.asking import check_config, evaluate_asking
        from vla.evaluation.report import asking_markdown

        check_config(asking_config)
        report = evaluate_asking(
            load_engine(policy, device), asking_config, out, str(policy or DEFAULT_POLICY)
        )
        print(json.dumps(report, ensure_ascii=False) if as_json else asking_markdown(report))
        return
    if episodes is not None:
        changes.append(f"episodes={episodes}")
    settings = load_config(config, EvalConfig, changes)
    from vla.data.schema import ROBOT_TYPE
    from vla.evaluation import suite
    from vla.evaluation.report import markdown

    suite.check_config(settings)
    engine = load_engine(policy, device, robot=ROBOT_TYPE)
    _warn_of_renderer(engine, "tiny")
    report = suite.evaluate(
        engine,
        settings,
        out,
        policy=str(policy or DEFAULT_POLICY),
        baselines=baselines,
        save_failures=save_failures,
    )
    print(json.dumps(report, ensure_ascii=False) if as_json else markdown(report))


def ask(
    image: Positional[ImagePath],
    questions: Positional[Questions],
    /,
    lang: Language = None,
    guess: bool = False,
    show: File = None,
    policy: Folder = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Answer questions about images, in English or Japanese.

    What a picture does not tell, or the model is not sure enough of, is answered by "I don't know".

    Example: vla ask image.png "what colour is the block in the bowl?" "where is the red block?"

    Args:
        image: any image file, - for the standard input, a pattern such as "shots/*.png", a frame of a dataset
            as runs/demos:3:12 (episode 3, frame 12), or a scene of the simulator as
            "env:vla/PickUp-v0?seed=3".
        questions: one or more, each asked of every image; further images may stand before them.
        lang: language of the answers, en or ja; without it that of each question.
        guess: give the most probable answer, however unsure.
        show: picture to write: for each question the places of the answer, and what the model looked at.
        policy: checkpoint folder; without it the default one.
        device: where the model runs.
        as_json: print a JSON object per question and nothing else.
    """
    import numpy as np

    from vla.evaluation.answers import in_language, print_answer
    from vla.evaluation.pictures import open_pictures, split_pictures
    from vla.text.prompt import clean_question

    sources, asked = split_pictures([image, *questions])
    if not asked:
        raise ConfigError(
            "no question is given; the picture comes first, then what is asked: "
            'vla ask image.png "is there a red block?"'
        )
    for question in asked:
        clean_question(question)
    if show is not None:
        from vla.evaluation.drawing import Drawn, check_picture_path, write_answers

        check_picture_path(show)
        if any(Path(source).resolve() == show.resolve() for source in sources):
            raise ConfigError(f"--show {show} is a picture that is asked about; name another file")
    pictures = [picture for source in sources for picture in open_pictures(source)]
    engine = load_engine(policy, device)
    drawn = []
    for picture in pictures:
        pixels = engine.processor.image(picture.look(engine.config.image_size))
        answers = engine.ask(np.stack([pixels] * len(asked)), asked)
        for question, answer in zip(asked, answers, strict=True):
            given = answer if guess else engine.calibration.hold_back(answer, question)
            if lang is not None:
                given = in_language(given, lang)
            if as_json:
                found: dict[str, object] = {"image": picture.name, "question": question, "answer": given.text}
                found |= {"confidence": round(given.confidence, 4), "guess": given.guess}
                found |= {"point": given.point, "places": given.places}
                print(json.dumps(found, ensure_ascii=False))
            else:
                asked_of = [picture.name] * (len(pictures) > 1) + [question] * (len(asked) > 1)
                print_answer(given, asked_of)
            if show is not None:
                drawn.append(Drawn(pixels, given.places, engine.attention(pixels, question)))
    if show is not None:
        write_answers(show, drawn)


def chat(
    task: str = "pick_up",
    split: str = "seen",
    seed: int = 0,
    policy: Folder = None,
    device: Device = "auto",
    execute: int = 2,
) -> None:
    """Talk with a robot in simulation: ask what it sees, tell it what to do, ask whether it worked.

    A line each, in English or Japanese; Ctrl-D ends. What cannot be done is refused, with the reason.

    Example: vla chat --seed 3

    Args:
        task: one of the 18 of docs/tasks.md, that the scene is drawn for.
        split: what the scene is drawn from, see docs/evaluation.md.
        seed: of the scene.
        policy: checkpoint folder; without it the default one.
        device: where the policy runs.
        execute: actions executed of each chunk that is decided.
    """
    from rich.console import Console

    from vla.data.schema import ROBOT_TYPE
    from vla.errors import VLAError
    from vla.evaluation.chat import Chat
    from vla.evaluation.play import print_picture
    from vla.evaluation.rollout import check_task
    from vla.inference.chunking import check_execute

    check_task(task)
    engine = load_engine(policy, device, robot=ROBOT_TYPE)
    check_execute(execute, engine.config.action_horizon)
    session = Chat(engine, task, split, seed, execute)
    console = Console(stderr=True)
    is_typed = sys.stdin.isatty()
    if is_typed:
        console.print("Ask what you see, or say what to do; exit ends it.")
    try:
        while True:
            if is_typed:
                print_picture(console, session.picture)
            text = input("> " if is_typed else "")
            if text.strip().lower() in ("exit", "quit", "bye"):
                break
            try:
                print(session.reply(text), flush=True)
            except VLAError as error:
                print(error, flush=True)
    except EOFError:
        pass
    finally:
        session.close()


def bench(policy: Folder = None, device: Device = "cpu", as_json: Json = False) -> None:
    """Measure speeds beside their baselines: the simulator, one decision of a policy, training, one question.

    Example: vla bench

    Args:
        policy: checkpoint folder; without it the default one.
        device: where the policy runs.
        as_json: print a JSON list and nothing else.
    """
    from vla.evaluation.bench import Measurement, measure_decision, measure_simulator
    from vla.evaluation.bench_asking import measure_cold_start
    from vla.evaluation.bench_training import measure_training

    figures = []
    for figure in measure_simulator():
        if isinstance(figure, Measurement):
            figures.append(figure)
        else:
            print(figure, file=sys.stderr)
    engine = load_engine(policy, device)
    figures.append(measure_decision(engine))
    figures += measure_training(engine.model, engine.processor, engine.device.type)
    figures.append(measure_cold_start(policy or DEFAULT_POLICY))
    if as_json:
        print(json.dumps([figure.as_dict() for figure in figures]))
    else:
        print("\n".join(map(str, figures)))
