"""The command line: what verbs print and where, its exit codes, and its speed."""

import importlib.metadata
import inspect
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tyro.conf import Positional

from vla import cli, verbs
from vla.evaluation import bench_asking, bench_training
from vla.training.checkpoint import save_model


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a verb that runs in this process."""
    code = cli.main(argv)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "picture.png"
    Image.new("RGB", (50, 40), (200, 30, 40)).save(path)
    return str(path)


@pytest.mark.parametrize("argv", [(), ("--help",)])
def test_help_lists_every_verb_with_an_example(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]
) -> None:
    code, out, _ = run(capsys, *argv)
    assert code == 0
    for verb in verbs.VERBS:
        assert f"Example: vla {verb}" in out


@pytest.mark.parametrize("verb", list(verbs.VERBS))
def test_help_of_a_verb_explains_each_option(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    code, out, _ = run(capsys, verb, "--help")
    assert code == 0
    assert "Example:" in out
    options = [name for name, *_ in (line.strip("│ ").split() or [""] for line in out.splitlines())]
    names = inspect.signature(verbs.VERBS[verb], eval_str=True).parameters.values()
    for parameter in names:
        if parameter.kind is not parameter.POSITIONAL_ONLY:
            name = {"sets": "set", "as_json": "json", "start": "from"}.get(parameter.name, parameter.name)
            assert f"--{name.replace('_', '-')}" in options
            assert f"        {parameter.name}: " in str(verbs.VERBS[verb].__doc__)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_complaint_is_one_line_on_any_terminal(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    complaint = io.StringIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    monkeypatch.setattr(sys, "stderr", complaint)
    assert cli.main(["rollout", "--episodes", "many"]) == 2
    reason = "Error parsing --episodes: invalid literal for int() with base 10: 'many'"
    assert complaint.getvalue() == f"error: {reason}; see vla rollout --help\n"


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import sys, time; start = time.process_time()\n"
        "from vla import cli; cli.main(['rollout', '--help'])\n"
        "print({'torch', 'transformers', 'pybullet', 'gymnasium', 'pyarrow'} & set(sys.modules))\n"
        "print(time.process_time() - start)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *_, heavy, seconds = done.stdout.splitlines()
    assert heavy == "set()"
    assert float(seconds) < 1


def test_waiting_threads_sleep_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    cli.main(["--help"])
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    cli.main(["--help"])
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_the_console_script_and_the_module_are_the_same() -> None:
    done = subprocess.run([sys.executable, "-m", "vla", "ask"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: Missing from vla ask: IMAGE")
    scripts = importlib.metadata.entry_points(group="console_scripts", name="vla")
    assert [script.value for script in scripts] in ([], ["vla.cli:main"])


def test_ask_prints_an_answer_with_its_confidence(
    capsys: pytest.CaptureFixture[str], checkpoint_folder: Path, picture: str
) -> None:
    code, out, err = run(
        capsys, "ask", picture, "is it red?", "--policy", str(checkpoint_folder), "--device", "cpu"
    )
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 1
    assert "(confidence " in out


def test_ask_prints_a_json_object_per_question(
    capsys: pytest.CaptureFixture[str], checkpoint_folder: Path, picture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["is there a red block?", "ボウルはある？"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(picture).read_bytes())))
    code, out, err = run(capsys, "ask", "-", *asked, "--json", "--policy", str(checkpoint_folder))
    assert (code, err) == (0, "")
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["question"] for answer in answers] == asked
    for answer in answers:
        assert set(answer) == {"image", "question", "answer", "confidence", "guess", "point", "places"}
        assert 0 <= answer["confidence"] <= 1


def test_ask_asks_every_question_of_every_picture_and_draws_them(
    capsys: pytest.CaptureFixture[str], checkpoint_folder: Path, picture: str, tmp_path: Path
) -> None:
    asked = ["is it red?", "where is the bowl?"]
    options = ("--show", str(tmp_path / "seen.png"), "--policy", str(checkpoint_folder))
    code, out, err = run(capsys, "ask", picture, "env:pick_up?seed=3", *asked, *options)
    assert (code, err) == (0, "")
    lines = [line.split("  ")[:2] for line in out.splitlines()]
    assert lines == [[name, question] for name in (picture, "env:pick_up?seed=3") for question in asked]
    with Image.open(tmp_path / "seen.png") as drawn:
        assert drawn.size == (2 * 384, 4 * 384)


def test_rollout_writes_plans_in_words(capsys: pytest.CaptureFixture[str], checkpoint_folder: Path) -> None:
    options = ("--policy", str(checkpoint_folder), "--device", "cpu", "--episodes", "1", "--envs", "1")
    told = ("--task", "reach", "--split", "basic", "--seed", "7")
    code, plain, _ = run(capsys, "rollout", *told, *options)
    planned_code, planned, err = run(capsys, "rollout", *told, *options, "--plan")
    assert (code, planned_code) == (0, 0) and planned == plain
    assert "seed 7, step 0: Plan: " in err


def test_chat_reads_a_line_each_and_goes_on_after_a_mistake(
    capsys: pytest.CaptureFixture[str], checkpoint_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\nis there a block?\n"))
    options = ("--policy", str(checkpoint_folder), "--device", "cpu")
    code, out, err = run(capsys, "chat", "--task", "reach", *options)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 2 and "the instruction is empty" in out.splitlines()[0]


def test_an_image_gives_the_same_answer_alone_and_among_others(
    capsys: pytest.CaptureFixture[str], checkpoint_folder: Path, picture: str
) -> None:
    options = ("--json", "--policy", str(checkpoint_folder))
    alone = run(capsys, "ask", picture, "where is the red block?", *options)[1]
    among = run(capsys, "ask", picture, "is there a bowl?", "where is the red block?", *options)[1]
    first, second = json.loads(alone), json.loads(among.splitlines()[1])
    assert first["answer"] == second["answer"]
    assert first["confidence"] == pytest.approx(second["confidence"], abs=2e-3)


def test_rollout_prints_one_json_object_and_progress_elsewhere(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    film = tmp_path / "out.gif"
    argv = [
        "rollout",
        "--task",
        "reach",
        "--expert",
        "--episodes",
        "2",
        "--envs",
        "1",
        "--seed",
        "7",
        "--json",
    ]
    code, out, err = run(capsys, *argv, "--instruction", "reach the red block", "--video", str(film))
    assert code == 0
    summary = json.loads(out)
    assert summary["task"] == "reach"
    assert (summary["episodes"], summary["successes"], summary["success_rate"]) == (2, 2, 1.0)
    assert len(summary["interval"]) == 2
    assert (summary["instruction"], summary["seed"], summary["policy"]) == (
        "reach the red block",
        7,
        "expert",
    )
    assert "reach" in err
    assert film.stat().st_size > 0


def test_rollout_tells_a_person_the_interval(
    capsys: pytest.CaptureFixture[str], checkpoint_folder: Path
) -> None:
    options = ("--episodes", "1", "--envs", "1", "--execute", "4", "--policy", str(checkpoint_folder))
    code, out, _ = run(capsys, "rollout", "--task", "reach", *options)
    assert code == 0
    assert "of 1 episodes succeeded" in out
    assert "95 % interval" in out


def test_train_tokenizer_writes_a_tokenizer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from vla.text.tokenizer import load_tokenizer

    out = tmp_path / "tokenizer"
    code, _, _ = run(capsys, "train-tokenizer", "--out", str(out), "--vocab-size", "700", "--lines", "300")
    assert code == 0
    assert len(load_tokenizer(out)) == 700


def test_changes_may_follow_one_flag_or_several(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = []
    monkeypatch.setattr(
        "vla.config_files.load_config", lambda path, cls, changes: seen.append(list(changes)) or 1 / 0
    )
    for flags in (["--set", "a=1", "b=2"], ["--set", "a=1", "--set", "b=2"]):
        with pytest.raises(
            ZeroDivisionError
        ):  # a fault of ours is no user's mistake, and keeps its traceback
            cli.main(["train", "vla", "config.yaml", "--out", str(tmp_path), *flags])
    assert seen == [["a=1", "b=2"]] * 2


@pytest.mark.parametrize(
    ("command", "resumes"),
    [("collect", True), ("train", True), ("eval suite", True), ("eval ask", False), ("ask", False)],
)
def test_an_interruption_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, resumes: bool
) -> None:
    def interrupted(what: Positional[str] = "", /) -> None:
        raise KeyboardInterrupt

    verb, *arguments = command.split()
    monkeypatch.setattr(cli, "VERBS", {verb: interrupted, "another": interrupted})
    code, out, err = run(capsys, verb, *arguments)
    assert (code, out) == (130, "")
    assert err.splitlines()[0].startswith("interrupted")
    assert ("goes on where it stopped" in err) == resumes


@pytest.mark.usefixtures("fresh_accelerator")
def test_the_benchmark_measures_the_simulator_a_decision_and_training(
    capsys: pytest.CaptureFixture[str],
    make_model: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_model(tmp_path / "policy", *make_model("gpt2", 4, wrist=True), {"stage": "test"})
    for name in ("ROUNDS", "DECISIONS"):
        monkeypatch.setattr(f"vla.evaluation.bench.{name}", 1)
    for name in ("FRAMES", "RESETS", "WORKER_STEPS"):
        monkeypatch.setattr(f"vla.evaluation.bench.{name}", 4)
    small = bench_training.RECIPE.model_copy(update={"tasks": {"pick_up": 2}, "scenes": 10})
    for name, value in (("RECIPE", small), ("ROUNDS", 1), ("STEPS", 3), ("BATCH_SIZE", 4), ("MATRIX", 64)):
        monkeypatch.setattr(bench_training, name, value)
    monkeypatch.setattr(bench_asking, "STARTS", 1)
    code, out, err = run(capsys, "bench", "--json", "--policy", str(tmp_path / "policy"))
    assert code == 0
    figures = json.loads(out)
    assert len(figures) == (8 if "panda-gym is left out" in err else 9)
    for figure in figures:
        assert set(figure) == {"name", "value", "unit", "baseline", "ratio"}
        assert figure["value"] > 0
    decision = next(figure for figure in figures if "decision" in figure["name"])
    assert decision["ratio"] == pytest.approx(decision["baseline"] / decision["value"])
