import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch import nn

from introsearch.editions import CURRENT, FIRST, of_edition
from introsearch.extensions import resolve
from introsearch.metrics.histograms import (
    NUM_BINS,
    hist_jsd,
    hist_jsd_paper,
    hist_kl,
    hist_kl_paper,
    histogram,
    paper_divergence,
    smoothed,
)
from introsearch.metrics.view import ModelView

METRICS = (hist_kl, hist_jsd, hist_kl_paper, hist_jsd_paper)


class Stand:
    """A prior and decoder that together are a data set's own sampler, shifted."""

    def __init__(self, dataset, shift):
        self.dataset, self.shift = dataset, shift

    def sample(self, n, generator):
        return self.dataset.sample(n, generator) + self.shift


def view(shift=0.0):
    dataset = resolve("dataset", "rings")()
    return ModelView(dataset, nn.Identity(), nn.Identity(), Stand(dataset, shift))


def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("number", [FIRST, CURRENT])
def test_values_are_those_of_the_protocol_computed_with_numpy(number):
    """5,000 samples each, 100x100 bins over [-4, 4]^2, some of the model's samples outside.

    Published densities are of the samples inside; those of the first edition were of all.
    """
    v, stream = view(shift=1.5), generator()
    real, fake = (part.sample(5_000, stream).double().numpy() for part in (v.dataset, v.prior))
    window = [[-4, 4], [-4, 4]]
    p, q = (np.histogram2d(*x.T, bins=100, range=window)[0] for x in (real, fake))
    assert q.sum() < 4_990

    def divergence(a, b):
        inside = a > 0
        return (a[inside] * (np.log(a[inside]) - np.log(b[inside] + 1e-14))).sum() / 100

    if number == FIRST:
        a, b = p / (5_000 * 0.08**2), q / (5_000 * 0.08**2)
    else:
        a, b = (np.histogram2d(*x.T, bins=100, range=window, density=True)[0] for x in (real, fake))
    mean = (a + b) / 2
    with of_edition(number):
        assert hist_kl_paper(v, generator()) == pytest.approx(divergence(a, b))
        reversed_jsd = (divergence(mean, a) + divergence(mean, b)) / 2
        assert hist_jsd_paper(v, generator()) == pytest.approx(reversed_jsd)
    p, q = (np.append(h.ravel(), 5_000 - h.sum()) for h in (p, q))
    assert hist_jsd(v, generator()) == pytest.approx(jensenshannon(p, q) ** 2)
    p, q = ((h + 1 / 10_001) / 5_001 for h in (p, q))
    assert hist_kl(v, generator()) == pytest.approx((p * np.log(p / q)).sum())


@pytest.mark.parametrize("metric", METRICS)
def test_the_true_density_beats_a_shifted_one(metric):
    assert metric(view(), generator()) < 0.7 * metric(view(shift=0.5), generator())


def test_metrics_of_one_evaluation_share_samples_and_come_to_the_same():
    shared = view()
    assert [m(shared, generator()) for m in METRICS] == [m(view(), generator()) for m in METRICS]
    kept = shared.memo["histograms"]
    hist_kl(shared, generator())
    assert shared.memo["histograms"] is kept


@pytest.mark.parametrize("metric", METRICS)
def test_samples_outside_the_window_or_not_finite_are_survived(metric):
    for shift in (100.0, math.nan):
        assert metric(view(), generator()) < metric(view(shift=shift), generator()) < math.inf


def test_paper_divergence_is_a_kl_in_other_units():
    """It equals the KL in nats divided by the bin area, as the protocol says."""
    g = torch.Generator().manual_seed(0)
    p, q = torch.rand(2, NUM_BINS, NUM_BINS, generator=g, dtype=torch.double)
    p, q, area = p / p.sum(), q / q.sum(), 0.08**2
    nats = (p * (p / q).log()).sum()
    assert paper_divergence(p / area, q / area).item() == pytest.approx((nats / area).item())


def test_paper_divergence_takes_zero_log_zero_as_zero():
    p, q = torch.tensor([0.0, 1.0]).double(), torch.tensor([1.0, 1.0]).double()
    assert paper_divergence(p, q).item() == pytest.approx(0.0)
    assert paper_divergence(q, p).item() == pytest.approx(-math.log(1e-14))


def test_hist_jsd_is_log_2_for_disjoint_densities():
    assert hist_jsd(view(shift=7.5), generator()) == pytest.approx(math.log(2), abs=0.05)


def test_smoothing_adds_one_count_in_all():
    counts = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    assert smoothed(counts).flatten().tolist() == pytest.approx([3.25 / 5, 0.05, 0.05, 1.25 / 5])


def test_histogram_bins_rows_by_the_first_coordinate():
    counts = histogram(torch.tensor([[-3.99, 3.99], [9.0, 0.0]]), half_width=4.0)
    assert counts.sum() == 1
    assert counts[0, NUM_BINS - 1] == 1


def test_the_published_divergences_of_a_model_that_misses_the_window():
    """No sample inside is no density: sum p (log p - log 1e-14), and no NaN."""
    far = view(shift=100.0)
    real = far.dataset.sample(5_000, generator()).double().numpy()
    p = np.histogram2d(*real.T, bins=100, range=[[-4, 4], [-4, 4]], density=True)[0]
    p = p[p > 0]
    expected = (p * (np.log(p) + 14 * np.log(10))).sum() / 100
    assert hist_kl_paper(far, generator()) == pytest.approx(expected)
    # The mean is p / 2: -p / 2 log 2 towards p, and p / 2 (log(p / 2) - log 1e-14) towards nothing.
    both = (p / 2 * (np.log(p / 2) + 14 * np.log(10) - np.log(2))).sum()
    assert hist_jsd_paper(far, generator()) == pytest.approx(both / 200)
