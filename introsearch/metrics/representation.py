"""How well labels can be read off latents: linear SVM and nearest neighbours.

As published: batch normalisation with statistics of the train split, one posterior sample per image
as its features, standardised; trained on the train split, accuracy on the test split.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from numpy import float32, int64
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Generator, Tensor

from introsearch.data.images import ImageData
from introsearch.losses.kl import reparameterise
from introsearch.metrics.image_batches import batches, encode_in_batches
from introsearch.metrics.view import ModelView
from introsearch.nets.batch_norm import with_fixed_statistics

_SVM_C = 0.025


def svm_2k(view: ModelView, generator: Generator) -> float:
    """Accuracy of a linear SVM after at most 2,000 solver iterations."""
    return _svm(view, generator, max_iterations=2_000)


def svm_10k(view: ModelView, generator: Generator) -> float:
    """Accuracy of a linear SVM after at most 10,000 solver iterations."""
    return _svm(view, generator, max_iterations=10_000)


def knn_5(view: ModelView, generator: Generator) -> float:
    """Accuracy of the vote of the 5 nearest train images."""
    return _knn(view, generator, neighbours=5)


def knn_100(view: ModelView, generator: Generator) -> float:
    """Accuracy of the vote of the 100 nearest train images."""
    return _knn(view, generator, neighbours=100)


class _Codes(NamedTuple):
    """Standardised latents [N, L] and labels [N] of both splits."""

    train: NDArray[float32]
    train_labels: NDArray[int64]
    test: NDArray[float32]
    test_labels: NDArray[int64]


def _codes(view: ModelView, generator: Generator) -> _Codes:
    """The same for all metrics of an evaluation: each is given the same random stream."""
    data = view.dataset
    assert isinstance(data, ImageData)  # the registry sees to it
    if "codes" not in view.memo:
        encoder = with_fixed_statistics(view.encoder, batches(data.train.images))

        def latents(images: Tensor) -> NDArray[float32]:
            mu, logvar = encode_in_batches(encoder, images)
            noise = torch.randn(mu.shape, generator=generator, device=mu.device)
            drawn: NDArray[float32] = reparameterise(mu, logvar, noise).cpu().numpy()
            return drawn

        train = latents(data.train.images)
        scaler = StandardScaler().fit(train)
        view.memo["codes"] = _Codes(
            scaler.transform(train),
            data.train.labels.cpu().numpy(),
            scaler.transform(latents(data.test.images)),
            data.test.labels.cpu().numpy(),
        )
    codes: _Codes = view.memo["codes"]
    return codes


def _svm(view: ModelView, generator: Generator, *, max_iterations: int) -> float:
    codes = _codes(view, generator)
    svm = SVC(kernel="linear", C=_SVM_C, max_iter=max_iterations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it stops before convergence is the protocol
        svm.fit(codes.train, codes.train_labels)
    return float(svm.score(codes.test, codes.test_labels))


def _knn(view: ModelView, generator: Generator, *, neighbours: int) -> float:
    codes = _codes(view, generator)
    knn = KNeighborsClassifier(n_neighbors=min(neighbours, len(codes.train)), algorithm="brute")
    knn.fit(codes.train, codes.train_labels)
    return float(knn.score(codes.test, codes.test_labels))
