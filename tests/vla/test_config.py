import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from vla.config import CollectRecipe, FinetuneConfig, LoraPart, StrictModel
from vla.config_files import load_config, save_config
from vla.errors import ConfigError, StorageError


class Train(StrictModel):
    lr: float = 1e-3
    steps: int = 10
    warmup: float | None = None
    extra: dict[str, Any] = Field(default={})


class Source(StrictModel):
    path: str
    weight: float = 1.0


class Run(StrictModel):
    seed: int
    train: Train = Train()
    sources: list[Source] = Field(default=[])
    named: dict[str, Source] = Field(default={})


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_file_becomes_an_object(tmp_path: Path) -> None:
    run = load_config(write(tmp_path, "seed: 3\ntrain: {lr: 0.1}\nsources: [{path: 赤}]\n"), Run)
    assert run == Run(seed=3, train=Train(lr=0.1), sources=[Source(path="赤")])
    with pytest.raises(ValidationError, match="frozen"):
        run.seed = 4


@pytest.mark.parametrize(
    ("text", "value"),
    [("3e-4", 3e-4), ("1E5", 1e5), ("-2e+3", -2e3), ("1.5e3", 1.5e3), ("+1e0", 1.0), ("1_0e2", 1000.0)],
)
def test_exponents_are_numbers(tmp_path: Path, text: str, value: float) -> None:
    run = load_config(
        write(tmp_path, f"seed: 0\ntrain: {{lr: {text}, warmup: {text}, extra: {{x: {text}}}}}"), Run
    )
    assert (run.train.lr, run.train.warmup, run.train.extra) == (value, value, {"x": value})
    assert isinstance(run.train.extra["x"], float)


@pytest.mark.parametrize("text", ["e5", "1e", "0x1e4", "3e-4m", "'3e-4'"])
def test_other_text_stays_text(tmp_path: Path, text: str) -> None:
    run = load_config(write(tmp_path, f"seed: 0\ntrain: {{extra: {{x: {text}}}}}"), Run)
    assert not isinstance(run.train.extra["x"], float)


def test_overrides_are_applied_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, "seed: 0\ntrain: {steps: 5}\n")
    run = load_config(
        path, Run, ["train.lr=3e-4", "seed=1", "seed=2", "train.extra.a.b=[1, x]", "sources=[{path: p}]"]
    )
    assert run.seed == 2
    assert run.train == Train(lr=3e-4, steps=5, extra={"a": {"b": [1, "x"]}})
    assert run.sources == [Source(path="p")]


@given(
    st.builds(
        Run, seed=st.integers(), train=st.builds(Train, lr=st.floats(allow_nan=False), extra=st.just({}))
    )
)
def test_saved_object_comes_back(tmp_path_factory: pytest.TempPathFactory, run: Run) -> None:
    path = tmp_path_factory.getbasetemp() / "saved.yaml"
    save_config(run, path)
    assert load_config(path, Run) == run


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("seed: 0\nsed: 1", [], "unknown key 'sed'; did you mean 'seed'? Valid: named, seed, sources, train"),
        ("seed: 0\ntrain: {Lr: 1}", [], "unknown key of train 'Lr'; did you mean 'lr'? Valid: extra, lr"),
        ("seed: 0", ["train.stesp=1"], "unknown key of train 'stesp'; did you mean 'steps'?"),
        (
            "seed: 0\nsources: [{path: a, wieght: 2}]",
            [],
            "unknown key of sources.0 'wieght'; did you mean 'weight'?",
        ),
        (
            "seed: 0\nnamed: {a: {path: a, wieght: 2}}",
            [],
            "unknown key of named.a 'wieght'; did you mean 'weight'?",
        ),
        ("sed: 0", [], "unknown key 'sed'; did you mean 'seed'? Valid: named, seed, sources, train (1 more"),
        ("train: {}", [], "key 'seed' is missing"),
        ("seed: many", [], "seed: Input should be a valid integer"),
        ("seed: 0\ntrain: 3", [], "train: Input should be"),
        ("", [], "holds nothing; it must hold keys and values"),
        ("- 1\n- 2", [], "holds a list"),
        ("seed: [1", [], "line 1"),
        ("seed: 1\nseed: 2", [], "line 1: key 'seed' is given twice"),
        ("seed: !!python/object:os.system 1", [], "line 1"),
        ("seed: \x07", [], "cannot be read as YAML"),
        ("[" * 5000, [], "cannot be read as YAML"),
        ("seed: 0", ["seed"], "override 'seed' is not of the form key=value"),
        ("seed: 0", ["=3"], "is not of the form"),
        ("seed: 0", ["train..lr=3"], "is not of the form"),
        ("seed: 0", ["seed.x=3"], "seed is a value, not a section"),
        ("seed: 0", ["seed=[1"], "the value is not YAML"),
    ],
)
def test_mistakes_are_explained_in_one_line(
    tmp_path: Path, text: str, overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text), Run, overrides)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "seed: 0")
    with pytest.raises(
        ConfigError, match=r"there is no configuration file .*rnu.yaml; did you mean .*/run.yaml"
    ):
        load_config(tmp_path / "rnu.yaml", Run)
    with pytest.raises(ConfigError, match="give the path of a YAML file"):
        load_config(tmp_path / "none" / "here.yaml", Run)
    with pytest.raises(ConfigError):
        load_config(tmp_path, Run)


def test_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image.yaml").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "image.yaml", Run)


def test_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "seed: 0")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError):
        save_config(Run(seed=1), path)
    assert load_config(path, Run).seed == 0


def test_recipe_has_the_documented_defaults(tmp_path: Path) -> None:
    recipe = load_config(
        write(tmp_path, "name: tabletop\nseed: 7\ntasks: {reach: 3, push: 2}"), CollectRecipe
    )
    assert recipe.tasks == {"reach": 3, "push": 2}
    assert (recipe.fps, recipe.image_size, recipe.cameras, recipe.scenes) == (5, 96, ["front"], 0)
    assert (recipe.languages, recipe.noise) == ({"en": 0.8, "ja": 0.2}, 0.2)


@pytest.mark.parametrize(
    "override",
    ["seed=-1", "fps=0", "image_size=8", "cameras=[]", "noise=-0.1", "tasks.reach=-1", "languages.en=-1"],
)
def test_recipe_refuses_values_out_of_range(tmp_path: Path, override: str) -> None:
    path = write(tmp_path, "name: tabletop\nseed: 7\ntasks: {reach: 3}")
    with pytest.raises(ConfigError, match=override.split("=", maxsplit=1)[0]):
        load_config(path, CollectRecipe, [override])


def test_a_change_of_one_default_leaves_the_others() -> None:
    changed = load_config(None, FinetuneConfig, ["mixture.demonstrations=10", "augment.light=0"])
    default = FinetuneConfig()
    assert changed.mixture == default.mixture.model_copy(update={"demonstrations": 10})
    assert default.augment is not None
    assert changed.augment == default.augment.model_copy(update={"light": 0.0})
    assert load_config(None, FinetuneConfig) == default
    assert load_config(None, FinetuneConfig, ["lora.rank=4"]).lora == LoraPart(rank=4)
