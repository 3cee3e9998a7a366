"""Divergences between 2D histograms of data and of decoded prior samples.

The `_paper` metrics are what the published tables contain, quirks included; `hist_kl` and
`hist_jsd` are the divergences proper, in nats.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from introsearch.data.base import Data
from introsearch.data.toy import ToyData
from introsearch.editions import FIRST, edition
from introsearch.metrics.view import ModelView

NUM_SAMPLES = 5_000
NUM_BINS = 100
_PAPER_EPSILON = 1e-14


def hist_kl_paper(view: ModelView, generator: Generator) -> float:
    """The published KL: bin-area-blind, in units of 100 * bin area nats (protocol, Table 1)."""
    real, fake = _densities(view, generator)
    return float(paper_divergence(real, fake) / 100)


def hist_jsd_paper(view: ModelView, generator: Generator) -> float:
    """The published JSD, whose divergences run from the mean to the parts (protocol, Table 1)."""
    real, fake = _densities(view, generator)
    mean = 0.5 * (real + fake)
    both = paper_divergence(mean, real) + paper_divergence(mean, fake)
    return float(0.5 * both / 100)


def hist_kl(view: ModelView, generator: Generator) -> float:
    """KL[data || model] of the smoothed bin probabilities, the outside being a bin too, in nats."""
    real, fake = (smoothed(_with_outside(h)) for h in _histograms(view, generator))
    return float((real * (real.log() - fake.log())).sum())


def hist_jsd(view: ModelView, generator: Generator) -> float:
    """Jensen-Shannon divergence of bin probabilities, outside included, in nats: 0 to log 2."""
    real, fake = (_with_outside(h) / NUM_SAMPLES for h in _histograms(view, generator))
    mean = 0.5 * (real + fake)
    entropy = torch.special.entr
    return float(entropy(mean).sum() - 0.5 * (entropy(real).sum() + entropy(fake).sum()))


def paper_divergence(p: Tensor, q: Tensor) -> Tensor:
    """sum p (log p - log(q + 1e-14)) with 0 log 0 = 0, over bin densities."""
    return torch.special.xlogy(p, p).sum() - (p * (q + _PAPER_EPSILON).log()).sum()


def smoothed(counts: Tensor) -> Tensor:
    """Bin probabilities with one pseudo-count spread evenly over all bins."""
    return (counts + 1 / counts.numel()) / (counts.sum() + 1)


def _with_outside(counts: Tensor) -> Tensor:
    """Counts with one more bin, for the samples that fell outside the window."""
    return torch.cat([counts.flatten(), NUM_SAMPLES - counts.sum()[None]])


def histogram(points: Tensor, *, half_width: float) -> Tensor:
    """Counts in NUM_BINS x NUM_BINS bins over the window, float64; points outside do not count."""
    edges = torch.linspace(-half_width, half_width, NUM_BINS + 1, dtype=torch.float64)
    inside = points.double().cpu()
    inside = inside[inside.isfinite().all(dim=1)]
    return torch.histogramdd(inside, [edges, edges]).hist


def half_width_of(data: Data) -> float:
    """Of the window; only data in the plane have one."""
    assert isinstance(data, ToyData)  # the registry sees to it
    return data.half_width


def _densities(view: ModelView, generator: Generator) -> tuple[Tensor, Tensor]:
    """Of the samples inside the window, as numpy's ``density=True`` gives them.

    Up to the first edition they were of all samples: 8gaussians with one in a hundred outside got
    a KL of 7.331 instead of 7.268, and the JSD became better as samples left. Where all have left,
    nothing is a density of nothing: 0.
    """
    bin_area = (2 * half_width_of(view.dataset) / NUM_BINS) ** 2
    real, fake = (
        counts / ((counts.sum().clamp(min=1) if edition() > FIRST else NUM_SAMPLES) * bin_area)
        for counts in _histograms(view, generator)
    )
    return real, fake


def _histograms(view: ModelView, generator: Generator) -> tuple[Tensor, Tensor]:
    """Of data and of the model. Streams of an evaluation's metrics are equal: they share these."""
    if "histograms" not in view.memo:
        real = view.dataset.sample(NUM_SAMPLES, generator)
        fake = view.decoder(view.prior.sample(NUM_SAMPLES, generator))
        width = half_width_of(view.dataset)
        view.memo["histograms"] = tuple(histogram(x, half_width=width) for x in (real, fake))
    real, fake = view.memo["histograms"]
    return real, fake
