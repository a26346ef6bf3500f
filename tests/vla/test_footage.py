"""A camera stored as video gives the pictures that it was given, in any order."""

import json
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vla.data.reader import DemonstrationDataset
from vla.data.schema import EPISODES_PATH, VIDEO_PATH
from vla.errors import DataError

KEY, FPS = "observation.images.front", 5
FILMS = ((0, 3), (3, 6))  # first and last episode + 1 of each


@pytest.fixture(scope="module")
def filmed(dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of `dataset_folder` with its front camera as two films."""
    root = Path(shutil.copytree(dataset_folder, tmp_path_factory.mktemp("data") / "filmed"))
    images = DemonstrationDataset(dataset_folder)
    path = root / "data/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(path).drop_columns(KEY), path)
    info = json.loads((root / "meta/info.json").read_text())
    info["features"][KEY]["dtype"] = "video"
    (root / "meta/info.json").write_text(json.dumps(info | {"video_path": VIDEO_PATH}))
    episodes = pq.read_table(root / EPISODES_PATH).to_pylist()
    for number, (begin, end) in enumerate(FILMS):
        film = root / VIDEO_PATH.format(video_key=KEY, chunk_index=0, file_index=number)
        film.parent.mkdir(parents=True, exist_ok=True)
        frames = np.flatnonzero((images.episode_index >= begin) & (images.episode_index < end))
        with av.open(str(film), "w") as container:
            stream = container.add_stream("h264", rate=Fraction(FPS), options={"qp": "0", "g": "4"})
            stream.width = stream.height = images.image(0).shape[0]
            stream.pix_fmt = "yuv444p"
            for frame in frames.tolist():
                container.mux(stream.encode(av.VideoFrame.from_ndarray(images.image(frame), format="rgb24")))
            container.mux(stream.encode())
        for episode in range(begin, end):
            start = int(np.argmax(images.episode_index == episode)) - int(frames[0])
            episodes[episode] |= {
                f"videos/{KEY}/chunk_index": 0,
                f"videos/{KEY}/file_index": number,
                f"videos/{KEY}/from_timestamp": start / FPS,
                f"videos/{KEY}/to_timestamp": (start + episodes[episode]["length"]) / FPS,
            }
    pq.write_table(pa.Table.from_pylist(episodes), root / EPISODES_PATH)
    return root


def test_every_picture_is_found_in_any_order(filmed: Path, dataset_folder: Path) -> None:
    stored, images = DemonstrationDataset(filmed), DemonstrationDataset(dataset_folder)
    assert stored.cameras == ["wrist", "front"] and stored.has("front")
    shuffled = np.random.default_rng(0).permutation(len(images)).tolist()
    for frame in [*range(len(images)), *shuffled, 3, 3, *range(len(images))[::-1]]:
        error = stored.image(frame).astype(int) - images.image(frame)
        assert abs(error).max() <= 4, f"frame {frame}"  # colours are rounded


def test_a_film_that_is_missing_or_too_short_is_a_data_error(filmed: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(filmed, tmp_path / "demos"))
    first, second = (
        root / VIDEO_PATH.format(video_key=KEY, chunk_index=0, file_index=number) for number in (0, 1)
    )
    shutil.copy(first, second)
    second_film = int(np.argmax(DemonstrationDataset(root).episode_index == 3))
    last = len(DemonstrationDataset(root)) - 1
    assert DemonstrationDataset(root).image(second_film).shape == (32, 32, 3)
    with pytest.raises(DataError, match=f"image {last} of camera 'front' is damaged .*ends before"):
        DemonstrationDataset(root).image(last)
    second.write_bytes(b"no film" * 100)
    with pytest.raises(DataError, match="is damaged"):
        DemonstrationDataset(root).image(last)
    second.unlink()
    with pytest.raises(DataError, match="is damaged"):
        DemonstrationDataset(root).image(last)
