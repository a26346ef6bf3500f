import math

import pytest
import torch

from vla.training.losses import next_token_losses, smoothing_kernel

BINS = 256


def test_the_kernel_spreads_over_neighbours_and_sums_to_one() -> None:
    kernel = smoothing_kernel(2.0)
    assert kernel.shape == (BINS, BINS)
    torch.testing.assert_close(kernel.sum(dim=1), torch.ones(BINS))
    assert bool((kernel.argmax(dim=1) == torch.arange(BINS)).all())
    # One sigma away a Gaussian has fallen to exp(-1/2) of its peak, at both sides alike.
    assert float(kernel[100, 102] / kernel[100, 100]) == pytest.approx(math.exp(-0.5))
    assert float(kernel[100, 98]) == pytest.approx(float(kernel[100, 102]))


def test_no_smoothing_is_the_identity() -> None:
    assert torch.equal(smoothing_kernel(0.0), torch.eye(BINS))


def test_losses_worked_by_hand() -> None:
    # Four words (ids 0..3), then the bins. All logits are 0 but for one word and one bin with log 2.
    vocabulary = 4 + BINS
    logits = torch.zeros(3, vocabulary)
    logits[0, 1] = math.log(2)  # row 0: the word 1 is right and has weight 2 of vocabulary + 1
    logits[2, 4 + 7] = math.log(2)  # row 2: bin 7 is right, with the same weight
    labels = torch.tensor([1, 4 + 7, 4 + 7])  # row 1: bin 7 is right, the model has no idea
    losses = next_token_losses(logits, labels, 4, smoothing_kernel(0.0))
    expected = [math.log((vocabulary + 1) / 2), math.log(vocabulary), math.log((vocabulary + 1) / 2)]
    torch.testing.assert_close(losses, torch.tensor(expected))


def test_a_smoothed_loss_worked_by_hand() -> None:
    # A kernel of our own: bin 0 is right with 3/4 and bin 1 with 1/4; the model says 1/2 and 1/4.
    kernel = torch.zeros(BINS, BINS)
    kernel[0, :2] = torch.tensor([0.75, 0.25])
    probabilities = torch.full((1, BINS + 1), 0.25 / (BINS - 1))
    probabilities[0, 1:3] = torch.tensor([0.5, 0.25])
    losses = next_token_losses(probabilities.log(), torch.tensor([1]), 1, kernel)
    # KL = 3/4 ln(0.75 / 0.5) + 1/4 ln(0.25 / 0.25)
    torch.testing.assert_close(losses, torch.tensor([0.75 * math.log(1.5)]))


@pytest.mark.parametrize("bin_index", [0, 5, 128, 255])
def test_a_perfect_prediction_costs_nothing(bin_index: int) -> None:
    kernel = smoothing_kernel(2.0)
    logits = torch.full((1, 10 + BINS), -1e4)
    logits[0, 10:] = kernel[bin_index].clamp(min=1e-30).log()
    losses = next_token_losses(logits, torch.tensor([10 + bin_index]), 10, kernel)
    assert float(losses) == pytest.approx(0.0, abs=1e-5)


def test_a_near_miss_costs_less_than_a_far_one() -> None:
    kernel = smoothing_kernel(2.0)
    logits = torch.zeros(2, BINS)
    logits[0, 101] = logits[1, 140] = 8.0
    near, far = next_token_losses(logits, torch.tensor([100, 100]), 0, kernel)
    assert float(near) < float(far)


def test_words_on_either_side_of_the_bins_are_words() -> None:
    kernel = smoothing_kernel(2.0)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 300, generator=generator)
    labels = torch.tensor([9, 10 + BINS])
    expected = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(next_token_losses(logits, labels, 10, kernel), expected)


def test_half_precision_logits_are_summed_in_float32() -> None:
    logits = torch.zeros(1, 300, dtype=torch.bfloat16)
    losses = next_token_losses(logits, torch.tensor([3]), 10, smoothing_kernel(1.0))
    assert losses.dtype == torch.float32
    assert float(losses) == pytest.approx(math.log(300))


def test_gradients_are_finite() -> None:
    logits = torch.randn(4, 300, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.tensor([1, 10, 265, 299])
    next_token_losses(logits, labels, 10, smoothing_kernel(0.0)).sum().backward()
    assert logits.grad is not None and bool(torch.isfinite(logits.grad).all())
