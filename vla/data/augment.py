"""Pictures varied as other cameras, lamps and table cloths would vary them, a batch at a time."""

from __future__ import annotations

import torch
from torch.nn import functional

from vla.config import AugmentConfig

BLOTCHES = (3, 6, 12, 24)
"""Blotches along a side."""
BRIGHTER = 0.3
"""Share of `light` that makes brighter: the table is light already and would soon be white."""


def augment(images: torch.Tensor, settings: AugmentConfig, seed: int) -> torch.Tensor:
    """Vary pictures; each draws its own strength between none and all of the settings.

    Args:
        images: uint8[B, H, W, 3].
        settings: how much at most.
        seed: decides every draw. A GPU draws other numbers than a processor, but does not wait for it.
    Returns:
        uint8[B, H, W, 3], on the same device.
    """
    count, device = len(images), images.device
    draw = torch.Generator(device).manual_seed(seed)

    def spread(*shape: int) -> torch.Tensor:
        """Numbers in [-1, 1], scaled by the picture's strength."""
        strength = torch.rand(count, *[1] * len(shape), generator=draw, device=device)
        return strength * (2 * torch.rand(count, *shape, generator=draw, device=device) - 1)

    move = torch.eye(2, 3, device=device).expand(count, 2, 3).clone()
    move[:, :, :2] += settings.warp * spread(2, 2)
    move[:, :, 2] += 2 * settings.shift * spread(2)  # a picture is 2 wide
    gain = torch.exp(settings.light * spread(1).clamp(max=BRIGHTER) + settings.tint * spread(3))
    side = BLOTCHES[seed % len(BLOTCHES)]
    blotches = 255 * settings.blotches * spread(3, side, side)
    pixels = images.permute(0, 3, 1, 2).float()
    grid = functional.affine_grid(move, list(pixels.shape), align_corners=False)
    pixels = functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    pixels = pixels * gain[:, :, None, None]
    pixels += functional.interpolate(blotches, size=pixels.shape[-2:], mode="nearest")
    return pixels.clamp_(0, 255).round_().to(torch.uint8).permute(0, 2, 3, 1)
