"""Write files and folders whole or not at all.

What is written goes to a temporary name beside the final one, is flushed to the disk and then renamed, so
that a kill or a full disk never leaves something half-written under a final name.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path
from typing import Any

from vla.errors import DataError, StorageError

DISK_FULL = "No space left on device"  # strerror(ENOSPC), which libraries also wrap in errors of their own


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Fill a temporary folder that takes its final name only if everything in it was written.

    Args:
        path: the final folder; one that exists is replaced when the block ends without an error.

    Yields:
        An empty folder beside ``path``.

    Raises:
        StorageError: something could not be written. The temporary folder is gone and ``path`` is as it was.
    """
    path = Path(os.path.abspath(path))
    temporary = _temporary_name(path, "tmp")
    try:
        with _storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not path.is_dir():
                raise NotADirectoryError(f"{path} exists and is not a folder")
            temporary.mkdir()
            yield temporary
            for folder, _, names in os.walk(temporary):
                for name in names:
                    _flush(Path(folder, name))
                _flush(Path(folder))
            _replace_directory(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def atomic_write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Args:
        path: the final file; one that exists is replaced.
        data: its whole content.

    Raises:
        StorageError: it could not be written. ``path`` is as it was.
    """
    path = Path(os.path.abspath(path))
    temporary = _temporary_name(path, "tmp")
    try:
        with _storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
            _flush(path.parent)
    finally:
        with suppress(OSError):  # it was renamed, or never made
            temporary.unlink()


def claim(folder: Path, facts: Any, refusal: str) -> None:
    """Take a folder for the work that some facts decide, or find that it was taken for the same.

    Args:
        folder: of work that goes on where it stopped; made if need be.
        facts: JSON data.
        refusal: what to say of a folder that was taken for something else.

    Raises:
        DataError: it was.
        StorageError: the disk refuses.
    """
    label, text = folder / "facts.json", json.dumps(facts, sort_keys=True)
    if not label.is_file():
        atomic_write(label, text.encode())
    elif json.dumps(json.loads(label.read_text(encoding="utf-8")), sort_keys=True) != text:
        raise DataError(f"{folder} holds {refusal}")


def check_replaceable(folder: Path, written: Collection[str]) -> None:
    """Refuse to replace a folder that holds anything else than what would be written.

    Args:
        folder: may be missing or empty.
        written: names, or patterns of names, of what is written there.

    Raises:
        DataError: there is something else.
    """
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    for name in names:
        if not any(fnmatch(name, pattern) for pattern in written):
            raise DataError(f"{folder} holds {name}, which would be lost; choose a new folder")


def code_digest(*places: Path) -> str:
    """sha256 over code and data files, alone or in folders; it changes with what they compute."""
    digest = hashlib.sha256()
    found = ([place] if place.is_file() else sorted(place.rglob("*")) for place in places)
    for path in chain.from_iterable(found):
        if path.suffix in (".py", ".yaml", ".urdf", ".obj"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, StorageError) or not (isinstance(error, OSError) or DISK_FULL in str(error)):
            raise
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        place = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        raise StorageError(
            f"cannot write {path}: {reason}{place}. Nothing half-written was left; "
            "free space, or choose another place"
        ) from error


def _replace_directory(temporary: Path, path: Path) -> None:
    """Rename a finished folder to its final name; a folder cannot be renamed over one that is not empty."""
    previous = _temporary_name(path, "old") if path.exists() else None
    if previous is not None:
        path.rename(previous)
    try:
        temporary.rename(path)
    except OSError:
        if previous is not None:
            previous.rename(path)
        raise
    _flush(path.parent)
    if previous is not None:
        shutil.rmtree(previous, ignore_errors=True)


def _temporary_name(path: Path, suffix: str) -> Path:
    return path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.{suffix}"


def _flush(path: Path) -> None:
    """Force a file or folder to the disk, so that a power cut after the rename loses nothing."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
