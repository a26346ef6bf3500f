"""How long one question takes from a cold start, and where the time goes (`vla bench`).

Run as a program, with a checkpoint folder and a picture, it answers one question in a fresh interpreter as
`vla ask` does, and prints its seconds as JSON.
"""

from __future__ import annotations

import functools
import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vla.evaluation.bench import Measurement

QUESTION = "is there a red block?"
STARTS = 3
FLOOR = "import torch, transformers, open_clip"
PARTS = ("import", "load", "prefill", "decode")


def measure_cold_start(policy: Path) -> Measurement:
    """Seconds from the command to the answer, median of some starts, beside importing the libraries alone.

    Args:
        policy: checkpoint folder.
    """
    from PIL import Image

    from vla.evaluation.bench import Measurement  # the simulator comes with it, which `vla ask` does without

    with tempfile.TemporaryDirectory() as folder:
        picture = str(Path(folder) / "picture.png")
        Image.new("RGB", (128, 128), "gray").save(picture)
        ours, floor, spent = [], [], []
        for _ in range(STARTS):
            floor.append(_start("-c", FLOOR)[0])
            seconds, printed = _start("-m", __name__, str(policy), picture)
            ours.append(seconds)
            spent.append(json.loads(printed.splitlines()[-1]))
    parts = {part: median(seconds[part] for seconds in spent) for part in PARTS}
    parts["rest"] = median(ours) - sum(parts.values())
    listed = ", ".join(f"{part} {seconds:.2f} s" for part, seconds in parts.items())
    value, baseline = median(ours), median(floor)
    name = f"one question from a cold start ({listed}) against importing torch, transformers and open_clip"
    return Measurement(name, value, "s", baseline, baseline / value)


def _start(*arguments: str) -> tuple[float, str]:
    """Run a fresh interpreter; returns its seconds and what it printed."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True)
    return time.perf_counter() - began, done.stdout


def main(policy: str, picture: str) -> None:
    """Answer one question and print where the seconds went."""
    seconds: dict[str, float] = defaultdict(float)

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def run(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            result = call(*args, **kwargs)
            seconds[name] += time.perf_counter() - began
            return result

        return run

    from vla import cli

    engine = timed("import", importlib.import_module)("vla.inference.engine")
    checkpoint = timed("import", importlib.import_module)("vla.training.checkpoint")
    checkpoint.load_model = timed("load", checkpoint.load_model)
    engine.Engine.ask = timed("ask", engine.Engine.ask)
    engine._Decoder.__init__ = timed("prefill", engine._Decoder.__init__)
    cli.main(["ask", "--policy", policy, picture, QUESTION])
    seconds["decode"] = seconds["ask"] - seconds["prefill"]
    print(json.dumps({part: seconds[part] for part in PARTS}))


if __name__ == "__main__":
    main(*sys.argv[1:])
