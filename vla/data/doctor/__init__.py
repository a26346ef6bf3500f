"""Find in a dataset what would ruin a fine-tune, before any training (`vla doctor`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vla.data.doctor.actions import action_faults
from vla.data.doctor.episodes import episode_faults
from vla.data.doctor.pictures import looked_at, picture_faults
from vla.data.doctor.recording import Finding, Recording
from vla.data.doctor.words import word_faults
from vla.data.reader import DemonstrationDataset

CHECKS = (action_faults, picture_faults, episode_faults, word_faults)


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a dataset.

    Attributes:
        dataset: its folder.
        episodes: number of episodes on disk.
        frames: number of frames.
        summary: what was examined, one line.
        faults: what is wrong with it; empty if nothing is.
    """

    dataset: str
    episodes: int
    frames: int
    summary: str
    faults: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """What `vla doctor --json` prints."""
        faults = [asdict(fault) for fault in self.faults]
        return {"dataset": self.dataset, "episodes": self.episodes, "frames": self.frames, "faults": faults}

    def __str__(self) -> str:
        """What `vla doctor` prints."""
        count = len(self.faults)
        lines = [self.summary, f"{count} fault{'s' * (count > 1)} found" if count else "no faults found"]
        for fault in self.faults:
            lines += ["", f"{fault.kind}: {fault.where}", f"  found: {fault.found}", f"  do: {fault.do}"]
        return "\n".join(lines)


def diagnose(root: Path | str) -> Diagnosis:
    """Examine a dataset.

    Args:
        root: folder of a LeRobotDataset v3.0.
    Raises:
        DataError: the folder holds no such dataset, or a picture in it is damaged.
    """
    dataset = DemonstrationDataset(root)
    recording = Recording(dataset)
    faults = tuple(fault for check in CHECKS for fault in check(recording))
    return Diagnosis(str(root), dataset.num_episodes, len(dataset), _summary(recording), faults)


def _summary(recording: Recording) -> str:
    dataset = recording.dataset
    demonstrations, frames = len(recording.starts), int(recording.is_demonstration.sum())
    moments, stills = len(recording.first_frames) - demonstrations, int(dataset.is_still.sum())
    told = len({dataset.instruction(frame) for frame in recording.first_frames.tolist()})
    looked = len(looked_at(recording)) * len(dataset.cameras)
    return (
        f"{dataset.root}: {demonstrations} demonstrations of {frames} frames, {moments} moments, {stills} "
        f"stills, {dataset.info.get('fps')} fps; {told} instructions; cameras "
        f"{', '.join(dataset.cameras) or 'none'}, {looked} pictures looked at"
    )
