"""The command line: parse, call the verb, and turn a user's mistake into one clear line.

Exit codes: 0 done, 2 the user's mistake (one line on stderr), 130 interrupted, 1 a fault of ours.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import io
import os
import sys
from collections.abc import Callable, Sequence

import tyro

from vla.errors import ConfigError, VLAError, unknown_name
from vla.verbs import RESUMABLE, VERBS

DESCRIPTION = (
    "The smallest complete vision-language-action agent: it sees, is told in words, and moves a robot arm. "
    "Every verb takes --plugin FILE.py, a task of your own (vla new-task)."
)
PLUGIN, PLUGINS = "--plugin", "VLA_PLUGINS"  # the latter is sim.PLUGIN_FILES; sim takes long to import
DONE, USER_ERROR, INTERRUPTED = 0, 2, 130
# What a machine refuses, rather than what a program does wrong.
REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        argv: arguments after the program's name; those of this process when None.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _quieten_libraries()
    try:
        arguments = _name_plugins(arguments)
        _run(arguments)
    except KeyboardInterrupt:
        resumable = bool(arguments) and arguments[0] in RESUMABLE and arguments[:2] != ["eval", "ask"]
        advice = "; the same command goes on where it stopped" if resumable else ""
        print(f"interrupted{advice}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if not _is_users_mistake(error):
            raise
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return USER_ERROR
    return DONE


def _name_plugins(arguments: list[str]) -> list[str]:
    """Put the files of `--plugin` where `sim` looks for them in any process; returns the other arguments."""
    others, files, left = list[str](), list[str](), iter(arguments)
    for argument in left:
        if argument.split("=")[0] != PLUGIN:
            others.append(argument)
            continue
        file = argument[len(PLUGIN) + 1 :] or next(left, "")
        if not file or file.startswith("-"):
            raise ConfigError(f"{PLUGIN} needs the Python file of a task; write one with `vla new-task`")
        files.append(os.path.abspath(file))
    if files:
        os.environ[PLUGINS] = os.pathsep.join([*filter(None, [os.environ.get(PLUGINS)]), *files])
    return others


def _run(arguments: list[str]) -> None:
    """Parse and call; a complaint that tyro would print as a box becomes one line."""
    arguments = arguments or ["--help"]
    verb = arguments[0]
    if not verb.startswith("-"):
        if verb not in VERBS:
            raise unknown_name("verb", verb, VERBS, "See vla --help")
        _check_options(verb, arguments[1:])
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            call = tyro.extras.subcommand_cli_from_dict(
                {name: _deferred(function) for name, function in VERBS.items()},
                prog="vla",
                description=DESCRIPTION,
                args=arguments,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as stop:
        if not stop.code:
            return
        raise ConfigError(f"{_unboxed(complaint.getvalue())}; see vla {verb} --help") from None
    call()


def _deferred(function: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """Take a verb's arguments without running it yet."""

    @functools.wraps(function)
    def defer(*args: object, **kwargs: object) -> Callable[[], None]:
        return functools.partial(function, *args, **kwargs)

    return defer


def _check_options(verb: str, arguments: list[str]) -> None:
    """Refuse an option that the verb does not have, with the nearest one that it has."""
    parameters = inspect.signature(VERBS[verb], eval_str=True).parameters.values()
    allowed = {"--help", "-h", PLUGIN}
    for parameter in parameters:
        if parameter.kind is parameter.POSITIONAL_ONLY:
            continue
        metadata = getattr(parameter.annotation, "__metadata__", ())
        renamed = [part.name for part in metadata if getattr(part, "name", None)]
        allowed.add("--" + (renamed[0] if renamed else parameter.name).replace("_", "-"))
    for argument in arguments:
        option = argument.split("=")[0]
        if option.startswith("--") and option.replace("_", "-") not in allowed:
            raise unknown_name("option", option, allowed, f"See vla {verb} --help")


def _unboxed(text: str) -> str:
    """The first paragraph of one of tyro's boxes, drawn in lines or in ASCII, as one line."""
    rows = [row.strip("│╭╮╰╯ ") for row in text.splitlines()][1:]  # the first row holds the title
    is_rule = [not row.strip("-─") for row in rows]
    start = is_rule.index(False) if False in is_rule else len(rows)
    end = is_rule.index(True, start) if True in is_rule[start:] else len(rows)
    return " ".join(" ".join(rows[start:end]).split()).rstrip(".") or "the arguments cannot be read"


def _is_users_mistake(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in REFUSALS
    simulator = sys.modules.get("sim.errors")  # only the verbs that simulate have loaded it
    return isinstance(error, VLAError) or (simulator is not None and isinstance(error, simulator.SimError))


def _quieten_libraries() -> None:
    """Settings that must stand in the environment before torch is imported; the user's own stay."""
    for name, value in {
        "OMP_WAIT_POLICY": "PASSIVE",  # waiting threads sleep: several times the speed on shared cores
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }.items():
        os.environ.setdefault(name, value)
