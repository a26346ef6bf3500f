"""What people get wrong: one clear line, exit code 2, and nothing half-written under a final name."""

import errno
import io
import json
import os
import re
import shlex
import shutil
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import yaml
from PIL import Image

from vla import cli
from vla.data.schema import image_feature, vector_feature
from vla.data.writer import DatasetWriter

ROOT = Path(__file__).parents[2]


class Case(NamedTuple):
    """Arguments, with {names} of what `world` holds, and a pattern of the message."""

    argv: str
    message: str


TRAIN = "train vla {train} --out {out}"
ROLLOUT = "rollout --policy {policy} --envs 1 --episodes 1 --device cpu"
ASK = "ask {image} --policy {policy} --device cpu"

CASES = {
    "unknown verb": Case("rolout", "unknown verb 'rolout'; did you mean 'rollout'"),
    "unknown option": Case("rollout --episods 3", "unknown option '--episods'; did you mean '--episodes'"),
    "option of another verb": Case("ask {image} hello --episodes 3", "unknown option '--episodes'"),
    "missing argument": Case("collect", "Missing from vla collect: RECIPE"),
    "missing option": Case("train-tokenizer", "Missing from vla train-tokenizer: --out"),
    "not a number": Case("rollout --seed soon", "Error parsing --seed: .*'soon'"),
    "unknown device": Case("rollout --device tpu", "tpu"),
    "unknown stage": Case("train clop {train} --out {out}", "'clop'.*clip"),
    # Names in the simulator
    "unknown task": Case(
        "rollout --task pikc_up --expert", "unknown task 'pikc_up'.*[Dd]id you mean 'pick_up'"
    ),
    "unknown task of a policy": Case(f"{ROLLOUT} --task juggle", "unknown task 'juggle'.*reach"),
    "unknown colour": Case(
        "rollout --expert --split basic --instruction 'pick up the pink block'", "no pink objects.*red"
    ),
    "no object": Case("rollout --expert --instruction 'pick up'", "names no object"),
    "unknown split": Case("rollout --expert --split unseen", "unknown split 'unseen'.*unseen_pairs"),
    "split of another task": Case("rollout --expert --task stack --split basic", "task 'stack' has no split"),
    "unknown shape of a split": Case(
        "rollout --expert --split basic --instruction 'pick up the red ball'", "no ball.*block"
    ),
    "unknown language": Case("rollout --expert --language de", "unknown language 'de'.*en, ja"),
    "unknown task in an evaluation": Case("eval --out {out} --set tasks=[reech]", "unknown task 'reech'"),
    "unknown question family": Case(
        "eval --out {out} --set question_families=[colour]", "unknown question family 'colour'.*'color'"
    ),
    "unknown task in a recipe": Case("collect {recipe_of_unknown_task} --out {out}", "unknown task 'fetch'"),
    "unknown split in a recipe": Case("collect {recipe_of_unknown_split} --out {out}", "'sean'.*'seen'"),
    "split that a task of a recipe lacks": Case(
        "collect {recipe_of_symbols} --out {out}", "task 'reach' has no split 'symbols'"
    ),
    "split in which nothing succeeds": Case(
        "collect {infeasible_recipe} --out {out}", "'infeasible' succeeds"
    ),
    "split that a task to evaluate lacks": Case(
        "eval --out {out} --set splits=[symbols] tasks=[reach]", "no task of reach has split 'symbols'"
    ),
    "unknown split of answers": Case("eval ask --out {out} --set splits=[sean]", "unknown split 'sean'"),
    "unknown language of answers": Case("eval ask --out {out} --set languages.de=1", "unknown language 'de'"),
    "episodes of answers": Case("eval ask --out {out} --episodes 3", "plays no episodes"),
    "unknown task to talk in": Case("chat --task juggle", "unknown task 'juggle'.*reach"),
    "nothing to calibrate": Case("calibrate {tmp}/nowhere", "no checkpoint folder"),
    "nothing to export": Case("export {tmp}/nowhere --out {out}", "no checkpoint folder"),
    # Counts
    "no episodes": Case("rollout --expert --episodes 0", "0 episodes .* at least 1"),
    "negative seed of an episode to play": Case("play --expert --seed -1", "--seed is -1"),
    "keys without a terminal": Case("play", "use --expert"),
    "unknown camera": Case("play --expert --camera top", "unknown camera 'top'.*side"),
    "negative seed": Case("rollout --expert --seed -1", "--seed is -1"),
    "no workers": Case("collect {recipe} --out {out} --workers 0", "--workers is 0"),
    "more actions than a chunk has": Case(f"{ROLLOUT} --execute 9", "--execute is 9.*give 1 to 4"),
    "plan of an expert": Case("rollout --expert --plan", "only a policy plans"),
    "plan that is not heeded": Case(
        "eval --policy {policy} --out {out} --set plan=true", "has not learned to act on a plan"
    ),
    "two drivers": Case("rollout --expert --random", "exclude each other"),
    "negative seed of a tokenizer": Case("train-tokenizer --out {out} --seed -1", "--seed is -1"),
    "negative seed of a conversation": Case("chat --seed -1 --policy {policy}", "--seed is -1"),
    "negative seed of a calibration": Case("calibrate {policy} --seed -1", "--seed is -1"),
    "calibration on no scenes": Case("calibrate {policy} --scenes 0", "--scenes is 0; it must be at least 1"),
    "unknown split of a calibration": Case("calibrate {policy} --split sen", "unknown split 'sen'.*'seen'"),
    "tiny vocabulary": Case("train-tokenizer --out {out} --vocab-size 10", "vocab_size is 10"),
    # Configurations
    "missing configuration": Case("train vla nowhere.yaml --out {out}", "no configuration file nowhere.yaml"),
    "unknown key": Case(
        "train vla {unknown_key} --out {out}", "unknown key of loop 'stepz'; did you mean 'steps'"
    ),
    "unknown key in a change": Case(f"{TRAIN} --set loop.lerning_rate=1", "did you mean 'learning_rate'"),
    "change without a value": Case(f"{TRAIN} --set loop.steps", "not of the form key=value"),
    "value of another kind": Case(f"{TRAIN} --set loop.steps=many", "loop.steps: .*'many'"),
    "no language": Case(f"{TRAIN} --set 'mixture.languages={{{{en: 0}}}}'", "a language a weight above 0"),
    "negative language": Case(f"{TRAIN} --set mixture.languages.en=-1", "languages.en.*equal to 0"),
    "decoder of no model": Case(
        f"{TRAIN} --set model.decoder.config.n_head=7", "decoder.config describes no gpt2 model: .*divisible"
    ),
    "policy of a recipe that is not there": Case(
        "collect {recipe} --out {out} --set policy=nowhere", "`policy` is nowhere, where no checkpoint is"
    ),
    "broken YAML": Case("collect {broken_yaml} --out {out}", "broken.yaml, line 3"),
    "recipe without a name": Case("collect {recipe_without_name} --out {out}", "key 'name' is missing"),
    # Checkpoints
    "missing checkpoint": Case("rollout --policy {tmp}/nowhere", "no checkpoint folder .*nowhere"),
    "folder that is no checkpoint": Case("rollout --policy {tmp}", "is no checkpoint: it has no config.json"),
    "checkpoint of another kind": Case("rollout --policy {gpt2_policy}", "holds a 'gpt2' model"),
    "checkpoint cut short": Case("rollout --policy {short_policy}", "cannot read checkpoint"),
    "checkpoint without statistics": Case("rollout --policy {bare_policy}", "no normalisation statistics"),
    "checkpoint of another robot": Case(
        "rollout --policy {ur5_policy}", "no statistics for robot 'panda'.*ur5"
    ),
    "checkpoint without weights": Case("ask {image} hi --policy {empty_policy}", "has no model.safetensors"),
    # Images
    "missing image": Case("ask {tmp}/nowhere.png hello", "there is no picture"),
    "folder as image": Case("ask {tmp} hello", "is a folder"),
    "empty image": Case("ask {empty_image} hello", "is empty"),
    "text as image": Case("ask {text_image} hello", "is not a picture in a format"),
    "truncated image": Case("ask {short_image} hello", "is damaged"),
    "enormous image": Case("ask {bomb} hello", "million pixels; scale it down"),
    "empty standard input": Case("ask - hello", "nothing came on the standard input"),
    "unknown scene": Case("ask env:pikc_up hello", "unknown environment 'pikc_up'.*vla/PickUp-v0"),
    "unknown option of a scene": Case("ask env:reach?sed=3 hello", "did you mean 'seed'"),
    "seed of a scene that is no number": Case("ask env:reach?seed=x hello", "seed=x.*whole number"),
    "unknown split of a scene": Case(
        "ask env:reach?split=sean hello --policy {policy}", "unknown split 'sean'"
    ),
    "frame of no dataset": Case("ask {tmp}/nowhere:0:0 hello", "no dataset at .*nowhere"),
    "pattern that nothing fits": Case("ask '{tmp}/*.nothing' hello", "no file fits"),
    "mistyped picture among others": Case("ask {image} {tmp}/pikture.png hello", "there is no picture"),
    "text to draw answers into": Case("ask {image} hello --show {tmp}/seen.txt", "must end in .png"),
    "drawing over the picture": Case("ask {image} hello --show {image}", "is a picture that is asked about"),
    # Words
    "no question": Case("ask {image}", "no question is given"),
    "empty question": Case(f"{ASK} ' '", "the question is empty"),
    "long question": Case(f"{ASK} {'why ' * 200!r}", "at most 500 are allowed"),
    "empty instruction": Case(f"{ROLLOUT} --instruction ''", "the instruction is empty"),
    "long instruction": Case(f"{ROLLOUT} --instruction {'red ' * 60!r}", "at most 200 are allowed"),
    "Cyrillic instruction": Case(f"{ROLLOUT} --instruction 'возьми red'", "a Cyrillic letter.*Latin"),
    "right-to-left question": Case(f"{ASK} 'האם יש red?'", "a Hebrew letter"),
    "Hangul question": Case(f"{ASK} '빨간 블록?'", "a Hangul letter"),
    "null byte in a question": Case(f"{ASK} 'red\0block'", r"control character U\+0000"),
    # Datasets
    "missing dataset": Case(f"{TRAIN} --set data={{tmp}}/nowhere", "no dataset at .*nowhere"),
    "dataset of another version": Case(f"{TRAIN} --set data={{old_data}}", "v2.1"),
    "dataset of another embodiment": Case(
        f"{TRAIN} --set data={{ur9_data}} init={{policy}}",
        "states of robot 'ur9' have 9 numbers; the model reads 7",
    ),
    # Places to write
    "film of another kind": Case("rollout --expert --video out.avi", "must end in .mp4 or .gif"),
    "film below a file": Case("rollout --expert --episodes 1 --video {image}/out.gif", "cannot write"),
    "tokenizer below a file": Case("train-tokenizer --out {image}/tokenizer --lines 9", "cannot write"),
    "tokenizer over something else": Case("train-tokenizer --out {tmp} --lines 9", "holds .*would be lost"),
    "export over something else": Case("export {policy} --out {tmp}", "holds .*would be lost"),
    "report over something else": Case("eval --policy {policy} --out {tmp}", "holds .*would be lost"),
    "answers over something else": Case("eval ask --policy {policy} --out {tmp}", "holds .*would be lost"),
    "dataset over something else": Case("collect {recipe} --out {tmp}", "was not made by `vla collect`"),
}


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    checkpoint_folder: Path,
    dataset_folder: Path,
    tokenizer_folder: Path,
    vit_json: Path,
) -> dict[str, str]:
    """Good and broken files by name."""
    tmp = tmp_path_factory.mktemp("world")
    things: dict[str, Path] = {"tmp": tmp, "policy": checkpoint_folder, "image": tmp / "picture.png"}
    Image.new("RGB", (20, 20), (200, 30, 40)).save(things["image"])

    def file(name: str, content: bytes | str) -> Path:
        path = tmp / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def copy(folder: Path, name: str, change: Callable[[Path], object]) -> Path:
        made = Path(shutil.copytree(folder, tmp / name))
        change(made)
        return made

    def edit(path: Path, **values: object) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    def rename_robot(folder: Path) -> None:
        known = json.loads((folder / "config.json").read_text())["embodiments"]
        edit(folder / "config.json", embodiments={"ur5": known["panda"]})

    whole = things["image"].read_bytes()
    things |= {
        "empty_image": file("empty.png", b""),
        "text_image": file("text.png", "no picture"),
        "short_image": file("short.png", whole[: len(whole) - 30]),
        "bomb": file("bomb.png", png_header(30_000, 30_000)),
    }
    recipe = {"name": "tiny", "seed": 0, "tasks": {"reach": 1}, "image_size": 32}
    things |= {
        "recipe": file("recipe.yaml", yaml.safe_dump(recipe)),
        "recipe_of_unknown_task": file("fetch.yaml", yaml.safe_dump({**recipe, "tasks": {"fetch": 1}})),
        "recipe_of_unknown_split": file("sean.yaml", yaml.safe_dump({**recipe, "split": "sean"})),
        "recipe_of_symbols": file("symbols.yaml", yaml.safe_dump({**recipe, "split": "symbols"})),
        "infeasible_recipe": file("infeasible.yaml", yaml.safe_dump({**recipe, "split": "infeasible"})),
        "recipe_without_name": file("nameless.yaml", "seed: 0\ntasks: {reach: 1}\n"),
        "broken_yaml": file("broken.yaml", "name: tiny\ntasks: {reach: 1\n"),
    }
    train = {
        "model": {
            "vision": {"architecture": str(vit_json), "layers": [0, 1]},
            "decoder": {"config": {"model_type": "gpt2", "n_embd": 32, "n_layer": 1, "n_head": 2}},
            "tokenizer": str(tokenizer_folder),
        },
        "data": str(dataset_folder),
        "loop": {"steps": 1, "batch_size": 2, "learning_rate": 1e-3, "device": "cpu"},
    }
    things |= {
        "train": file("train.yaml", yaml.safe_dump(train)),
        "unknown_key": file("stepz.yaml", yaml.safe_dump({**train, "loop": {**train["loop"], "stepz": 1}})),
    }
    policy = checkpoint_folder
    things |= {
        "bare_policy": copy(policy, "bare", lambda made: edit(made / "config.json", embodiments={})),
        "ur5_policy": copy(policy, "ur5", rename_robot),
        "gpt2_policy": copy(policy, "gpt2", lambda made: edit(made / "config.json", model_type="gpt2")),
        "short_policy": copy(policy, "short", lambda made: os.truncate(made / "model.safetensors", 1000)),
        "empty_policy": copy(policy, "no_weights", lambda made: (made / "model.safetensors").unlink()),
        "old_data": copy(
            dataset_folder, "old_data", lambda made: edit(made / "meta/info.json", codebase_version="v2.1")
        ),
        "ur9_data": write_dataset_of_nine_joints(tmp / "ur9_data"),
    }
    return {name: str(path) for name, path in things.items()}


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be enormous."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(100))
    chunks = [
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
        for part in (header, data)
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def write_dataset_of_nine_joints(root: Path) -> Path:
    """A demonstration of a robot whose state has nine numbers; the model reads seven."""
    length = 6
    features = {
        "observation.images.front": image_feature(32, 32),
        "observation.state": vector_feature([f"joint_{index}" for index in range(9)]),
        "action": vector_feature([f"action_{index}" for index in range(7)]),
    }
    with DatasetWriter(root, fps=5, robot_type="ur9", features=features) as writer:
        for task in ("reach the red block", "look at the table"):
            rng = np.random.default_rng(0)
            columns = {
                "observation.images.front": np.zeros((length, 32, 32, 3), np.uint8),
                "observation.state": rng.uniform(-1, 1, (length, 9)).astype(np.float32),
                "action": rng.uniform(-1, 1, (length, 7)).astype(np.float32),
            }
            writer.add_episode(columns, task)
    return root


def contents(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_clear_line(
    name: str,
    world: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    before = contents(Path(world["tmp"]))
    argv = split(CASES[name].argv, world | {"out": str(tmp_path / "out")})

    code = cli.main(argv)

    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert code == 2, captured.err
    assert captured.out == ""
    assert len(lines) == 1
    assert captured.err.splitlines()[-1] == lines[0]
    assert "Traceback" not in captured.err
    assert re.search(CASES[name].message, lines[0]), lines[0]
    assert contents(tmp_path) == set()
    assert contents(Path(world["tmp"])) == before


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 25


def split(command: str, names: dict[str, str]) -> list[str]:
    """Split as a shell does, and then fill in {names}."""
    return [part.format(**names) if "{" in part else part for part in shlex.split(command)]


@pytest.mark.parametrize(
    "argv",
    [
        "train-tokenizer --out {out} --lines 50",
        "rollout --task reach --expert --episodes 1 --envs 1 --video {out}.gif",
        "collect {recipe} --out {out} --workers 1",
    ],
)
def test_a_full_disk_leaves_nothing_under_the_final_name(
    argv: str,
    world: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("vla.files.os.fsync", full)
    assert cli.main(split(argv, world | {"out": str(tmp_path / "out")})) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: cannot write")
    assert "No space left on device" in error
    assert not [path for path in tmp_path.iterdir() if path.name in ("out", "out.gif")]


def test_a_kill_while_writing_leaves_nothing_under_the_final_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vla.files.os.fsync", killed)
    assert cli.main(["train-tokenizer", "--out", str(tmp_path / "out"), "--lines", "50"]) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert contents(tmp_path) == set()
