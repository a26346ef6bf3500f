import errno
import os
from pathlib import Path

import pytest

from vla import files
from vla.errors import DataError, StorageError
from vla.files import atomic_directory, atomic_write, check_replaceable, claim, code_digest


def test_directory_appears_whole(tmp_path: Path) -> None:
    final = tmp_path / "deep" / "checkpoint"
    with atomic_directory(final) as folder:
        (folder / "meta").mkdir()
        (folder / "meta" / "info.json").write_text("{}")
        assert folder.parent == final.parent  # the same file system, so that a rename is enough
        assert not final.exists()
    assert (final / "meta" / "info.json").read_text() == "{}"
    assert os.listdir(final.parent) == ["checkpoint"]


def test_directory_replaces_the_one_there(tmp_path: Path) -> None:
    final = tmp_path / "checkpoint"
    for content in ("old", "new"):
        with atomic_directory(final) as folder:
            (folder / content).touch()
    assert os.listdir(final) == ["new"]
    assert os.listdir(tmp_path) == ["checkpoint"]


def test_only_what_would_be_written_again_is_replaced(tmp_path: Path) -> None:
    patterns = ("report.json", "*.png")
    check_replaceable(tmp_path / "nowhere", patterns)
    check_replaceable(tmp_path, patterns)
    for name in ("report.json", "splits.png"):
        (tmp_path / name).touch()
    check_replaceable(tmp_path, patterns)
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(DataError, match=r"holds thesis.tex, which would be lost"):
        check_replaceable(tmp_path, patterns)


def test_a_folder_is_taken_for_one_work(tmp_path: Path) -> None:
    facts = {"seed": 1, "range": (0, 1)}
    for _ in range(2):
        claim(tmp_path / "run", facts, "another run")
    with pytest.raises(DataError, match=r"run holds another run"):
        claim(tmp_path / "run", facts | {"seed": 2}, "another run")


@pytest.mark.parametrize("error", [KeyError("bug"), KeyboardInterrupt()])
def test_directory_is_as_it_was_after_an_error(tmp_path: Path, error: BaseException) -> None:
    final = tmp_path / "checkpoint"
    with atomic_directory(final) as folder:
        (folder / "old").touch()
    with pytest.raises(type(error)), atomic_directory(final) as folder:
        (folder / "half").touch()
        raise error
    assert os.listdir(final) == ["old"]
    assert os.listdir(tmp_path) == ["checkpoint"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "weights"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_full_disk_is_one_clear_line(tmp_path: Path, error: Exception) -> None:
    message = r"cannot write .*checkpoint: .*No space left on device"
    with pytest.raises(StorageError, match=message) as caught, atomic_directory(tmp_path / "checkpoint"):
        raise error
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_failed_rename_brings_the_old_directory_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    final = tmp_path / "checkpoint"
    with atomic_directory(final) as folder:
        (folder / "old").touch()
    rename = Path.rename

    def refuse_the_new_one(source: Path, target: Path) -> Path:
        if source.suffix == ".tmp":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new_one)
    with pytest.raises(StorageError), atomic_directory(final) as folder:
        (folder / "new").touch()
    assert os.listdir(final) == ["old"]
    assert os.listdir(tmp_path) == ["checkpoint"]


def test_directory_does_not_replace_a_file(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(StorageError, match="not a folder"), atomic_directory(tmp_path / "notes"):
        pass
    assert (tmp_path / "notes").read_text() == "mine"


def test_parent_that_is_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError), atomic_directory(tmp_path / "file" / "checkpoint"):
        pass
    with pytest.raises(StorageError):
        atomic_write(tmp_path / "file" / "report.json", b"")


def test_every_file_is_flushed_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    flush = files._flush

    def record(path: Path) -> None:
        flushed.append(path.name)
        flush(path)

    monkeypatch.setattr(files, "_flush", record)
    with atomic_directory(tmp_path / "checkpoint") as folder:
        (folder / "meta").mkdir()
        (folder / "weights").touch()
        (folder / "meta" / "info").touch()
    assert {"weights", "info", "meta", folder.name, tmp_path.name} == set(flushed)


def test_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.json"
    atomic_write(path, b"old")
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(path.parent) == ["report.json"]


def test_file_is_as_it_was_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    atomic_write(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["report.json"]


def test_a_digest_changes_with_code_and_not_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "words.yaml").write_text("red: akai")
    before = code_digest(tmp_path)
    (tmp_path / "notes.txt").write_text("nothing")
    assert code_digest(tmp_path) == before
    (tmp_path / "inner" / "words.yaml").write_text("red: aka")
    assert code_digest(tmp_path) != before
