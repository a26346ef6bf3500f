"""What each verb of the command line does: import late and call one function.

Signatures and docstrings are the options and the help that users see.
"""

from collections.abc import Callable

from vla.verbs.acting import ask, bench, chat, evaluate, rollout
from vla.verbs.learning import calibrate, export, finetune, new_task, train, train_tokenizer
from vla.verbs.options import DEFAULT_POLICY
from vla.verbs.recording import collect, doctor, edit, play, replay

VERBS: dict[str, Callable[..., None]] = {
    "new-task": new_task,
    "collect": collect,
    "play": play,
    "edit": edit,
    "doctor": doctor,
    "replay": replay,
    "train-tokenizer": train_tokenizer,
    "train": train,
    "finetune": finetune,
    "export": export,
    "calibrate": calibrate,
    "rollout": rollout,
    "eval": evaluate,
    "ask": ask,
    "chat": chat,
    "bench": bench,
}
RESUMABLE = ("collect", "train", "finetune", "eval")

__all__ = ["DEFAULT_POLICY", "RESUMABLE", "VERBS"]
