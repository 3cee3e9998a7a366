"""Posteriors of data that training has not seen."""

from __future__ import annotations

from torch import Generator

from introsearch.data.images import ImageData
from introsearch.metrics.image_batches import encode_in_batches
from introsearch.metrics.view import ModelView
from introsearch.nets.mlp import Posterior
from introsearch.sample_sizes import sample_size

NUM_DATA = 5_000


def unseen_posteriors(view: ModelView, generator: Generator) -> Posterior:
    """Of fresh points, or of all test images: mu and logvar, [N, L].

    Streams of an evaluation's metrics are equal, and so are their points: these are encoded once.

    Args:
        view: the model.
        generator: draws the points, also where they are not encoded any more, so that what a metric
            draws next does not depend on which came first.
    """
    data = view.dataset
    if isinstance(data, ImageData):
        if "posteriors" not in view.memo:
            view.memo["posteriors"] = encode_in_batches(view.encoder, data.test.images)
    else:
        points = data.sample(sample_size(NUM_DATA), generator)
        if "posteriors" not in view.memo:
            view.memo["posteriors"] = Posterior(*view.encoder(points))
    posteriors: Posterior = view.memo["posteriors"]
    return posteriors
