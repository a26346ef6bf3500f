"""Variation of training pictures."""

import pytest
import torch

from vla.config import AugmentConfig
from vla.data.augment import augment

ALL = AugmentConfig(shift=0.1, warp=0.1, light=0.5, tint=0.1, blotches=0.1)


@pytest.fixture
def images() -> torch.Tensor:
    """Dark pictures with a bright square."""
    pictures = torch.full((8, 32, 32, 3), 40, dtype=torch.uint8)
    pictures[:, 12:20, 12:20] = 200
    return pictures


def test_the_seed_decides_and_pictures_differ(images: torch.Tensor) -> None:
    varied = augment(images, ALL, seed=1)
    assert varied.dtype == torch.uint8 and varied.shape == images.shape
    assert torch.equal(varied, augment(images, ALL, seed=1))
    assert not torch.equal(varied, augment(images, ALL, seed=2))
    assert len({picture.numpy().tobytes() for picture in varied}) == len(images)


def test_nothing_asked_for_changes_nothing(images: torch.Tensor) -> None:
    assert torch.equal(augment(images, AugmentConfig(), seed=1), images)


def test_a_shift_moves_what_is_seen_by_at_most_that_share(images: torch.Tensor) -> None:
    shifted = augment(images, AugmentConfig(shift=0.125), seed=3)
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    bright = (shifted[..., 0].float() - 40) / 160
    for axis in (rows, columns):
        middle = (bright * axis).sum(dim=(1, 2)) / bright.sum(dim=(1, 2))
        assert (middle - 15.5).abs().max() <= 0.125 * 32 + 0.1
        assert middle.std() > 0.3


def test_light_scales_and_tint_scales_channels_apart(images: torch.Tensor) -> None:
    lit = augment(images, AugmentConfig(light=0.5), seed=4)
    assert (lit[..., 0] == lit[..., 2]).all() and len(lit[:, 0, 0, 0].unique()) > 3
    tinted = augment(images, AugmentConfig(tint=0.5), seed=4)
    assert (tinted[:, 0, 0, 0] != tinted[:, 0, 0, 2]).any()


def test_blotches_stay_within_their_brightness(images: torch.Tensor) -> None:
    blotched = augment(images, AugmentConfig(blotches=0.1), seed=5).int()
    change = (blotched - images.int()).abs()
    assert 0 < change.max() <= 26
