"""Next-token loss, with neighbouring bins counted as nearly right."""

from __future__ import annotations

import torch

from vla.actions.bins import NUM_BINS


def smoothing_kernel(sigma: float) -> torch.Tensor:
    """Row b is the target when bin b is right: a Gaussian of `sigma` bins over all bins, float32[256, 256].

    The bins are an ordered scale, which a plain cross-entropy does not know.
    """
    bins = torch.arange(NUM_BINS, dtype=torch.float32)
    if sigma == 0:
        return torch.eye(NUM_BINS)
    kernel = torch.exp(-0.5 * ((bins[:, None] - bins[None, :]) / sigma) ** 2)
    return kernel / kernel.sum(dim=1, keepdim=True)


def next_token_losses(
    logits: torch.Tensor, labels: torch.Tensor, bin_token_start: int, kernel: torch.Tensor
) -> torch.Tensor:
    """Loss of each predicted token.

    Args:
        logits: float[K, V].
        labels: int64[K], no padding.
        bin_token_start: id of bin 0.
        kernel: float32[256, 256] of `smoothing_kernel`.
    Returns:
        float32[K], nats: cross-entropy for words, cross-entropy against the smoothed target for bins, less
        the target's own entropy, so that a perfect prediction scores 0 in both cases.
    """
    log_probs = torch.log_softmax(logits.float(), dim=-1)
    bins = labels - bin_token_start
    is_bin = (bins >= 0) & (bins < NUM_BINS)
    losses = -log_probs.gather(1, labels[:, None]).squeeze(1)
    targets = kernel[bins.clamp(0, NUM_BINS - 1)]  # [K, 256]
    bin_log_probs = log_probs[:, bin_token_start : bin_token_start + NUM_BINS]
    divergence = (torch.special.xlogy(targets, targets) - targets * bin_log_probs).sum(dim=1)
    return torch.where(is_bin, divergence, losses)
