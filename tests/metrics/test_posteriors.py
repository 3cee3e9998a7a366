"""Metrics of one evaluation share posteriors, and are what they would be alone."""

import dataclasses

import pytest
import torch

from introsearch.data.base import CPU, DataContext
from introsearch.data.images import Digits
from introsearch.data.toy import Rings
from introsearch.metrics.active_units import active_pairs, active_units, latent_numbers
from introsearch.metrics.image_elbo import kl_test, rec_test
from introsearch.metrics.responsibilities import responsibility_entropy
from introsearch.metrics.view import ModelView
from introsearch.nets.mlp import Posterior
from introsearch.priors.base import Components
from introsearch.priors.mixture import MixtureOfGaussians


class Coder(torch.nn.Module):
    """The first two numbers of a point or an image; counts what it encodes."""

    def __init__(self, shape):
        super().__init__()
        self.shape, self.encoded = shape, 0

    def forward(self, x):
        self.encoded += len(x)
        mu = x.flatten(1)[:, -2:]
        return Posterior(mu, mu - 1)

    def decode(self, z):
        return z.mean(dim=1).view(-1, *[1] * len(self.shape)).expand(-1, *self.shape)


@torch.no_grad()
@pytest.mark.parametrize(
    ("data", "size", "metrics"),
    [
        (Rings(), 5_000, ()),
        (Digits.open(DataContext(device=CPU, train_images=100)), None, (rec_test, kl_test)),
    ],
    ids=["points", "images"],
)
def test_data_are_encoded_once_and_no_metric_notices(data, size, metrics):
    metrics = (active_units, active_pairs, responsibility_entropy, *metrics, latent_numbers)
    parts = Components(torch.tensor([[0.0, 0], [1, 1]]), torch.zeros(2, 2), torch.zeros(2))
    prior = MixtureOfGaussians(parts, learnable_contributions=False)
    coder = Coder(data.shape)
    shared = ModelView(data, coder, coder.decode, prior)

    def values(view, order):
        return {m.__name__: m(view(), torch.Generator().manual_seed(0)) for m in order}

    alone = values(lambda: dataclasses.replace(shared, memo={}), metrics)
    for order in (metrics, metrics[::-1]):
        coder.encoded = 0
        view = dataclasses.replace(shared, memo={})
        assert values(lambda view=view: view, order) == alone
        assert coder.encoded == (size or len(data.test))
