"""How generated images compare with the train split: FID, KID, precision and recall.

As published: as many generated as real images, networks in train mode (each batch normalised by
itself), images clipped to [0, 1] and quantised to 8 bits. What features are compared by is part of
every number's meaning: see `metrics.features`, which also says why torch-fidelity is used in parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor

from introsearch.data.images import ImageData
from introsearch.metrics.content_cache import cached
from introsearch.metrics.features import Extractor, extractor_for
from introsearch.metrics.fidelity import import_fidelity
from introsearch.metrics.image_batches import batches, decode_in_batches, generate
from introsearch.metrics.view import ModelView

_MOST_COMPARED = 10_000  # images whose features are compared one by one
_KID_SUBSETS = 100
_KID_SUBSET_SIZE = 1_000
_NEIGHBOURHOOD = 3


def fid_gen(view: ModelView, generator: Generator) -> float:
    """Frechet distance between features of decoded prior samples and of train images."""
    return _fid(view, _generated_features(view, generator))


def fid_rec(view: ModelView, generator: Generator) -> float:
    """Frechet distance between features of reconstructed train images and of the images.

    An image is reconstructed from its posterior mean.
    """
    images = _train_images(view)
    decoded = [decode_in_batches(view.decoder, view.encoder(x).mu) for x in batches(images)]
    return _fid(view, view_extractor(view).of(torch.cat(decoded)))


def kid_gen(view: ModelView, generator: Generator) -> float:
    """Kernel distance (unbiased squared MMD, cubic kernel): mean over random subsets."""
    kid = import_fidelity().metric_kid
    fake, real = _compared(view, generator)
    found = kid.kid_features_to_metric(
        fake,
        real,
        kid_subsets=_KID_SUBSETS,
        kid_subset_size=min(_KID_SUBSET_SIZE, len(fake), len(real)),
        rng_seed=0,
        verbose=False,
    )
    return float(found[kid.KEY_METRIC_KID_MEAN])


def precision_gen(view: ModelView, generator: Generator) -> float:
    """Share of generated images within the manifold of train images (Kynkaanniemi et al. 2019)."""
    return _precision_recall(view, generator)[0]


def recall_gen(view: ModelView, generator: Generator) -> float:
    """Share of train images within the manifold of generated images (Kynkaanniemi et al. 2019)."""
    return _precision_recall(view, generator)[1]


def view_extractor(view: ModelView) -> Extractor:
    """What the view's images are compared by."""
    return extractor_for(_data(view), view.feature_extractor)


def _data(view: ModelView) -> ImageData:
    assert isinstance(view.dataset, ImageData)  # the registry sees to it
    return view.dataset


def _train_images(view: ModelView) -> Tensor:
    return _data(view).train.images[: view.num_samples]


def _generated_features(view: ModelView, generator: Generator) -> Tensor:
    """Of the same generated images for all metrics: each is given the same random stream."""
    if "generated features" not in view.memo:
        images = generate(view, generator)
        view.memo["generated features"] = view_extractor(view).of(images)
    features: Tensor = view.memo["generated features"]
    return features


def _real(view: ModelView) -> dict[str, Tensor]:
    """Mean and covariance of all compared train images' features, and the features of some."""
    extractor, images = view_extractor(view), _train_images(view)
    key = {"data": _data(view).fingerprint, "extractor": extractor.name, "n": len(images)}

    def make() -> dict[str, Tensor]:
        features = extractor.of(images)
        return {**statistics(features), "features": features[:_MOST_COMPARED].clone()}

    if "real" not in view.memo:
        view.memo["real"] = cached("features", key, make)
    real: dict[str, Tensor] = view.memo["real"]
    return real


def statistics(features: Tensor) -> dict[str, Tensor]:
    """Mean and covariance of [N, F] features, in double precision."""
    fid = import_fidelity().metric_fid
    found: dict[str, Any] = fid.fid_features_to_statistics(features.double())
    return {name: torch.from_numpy(value) for name, value in found.items()}


def _fid(view: ModelView, features: Tensor) -> float:
    return frechet_distance(features, _real(view))


def frechet_distance(features: Tensor, real: Mapping[str, Tensor]) -> float:
    """Between Gaussians of the same moments as [N, F] features, and of `statistics` of others."""
    if not features.isfinite().all():
        return float("nan")
    ours, theirs = (
        {k: s[k].numpy() for k in ("mu", "sigma")} for s in (statistics(features), real)
    )
    fid = import_fidelity().metric_fid
    return float(fid.fid_statistics_to_metric(ours, theirs, verbose=False)[fid.KEY_METRIC_FID])


def _compared(view: ModelView, generator: Generator) -> tuple[Tensor, Tensor]:
    return _generated_features(view, generator)[:_MOST_COMPARED], _real(view)["features"]


def _precision_recall(view: ModelView, generator: Generator) -> tuple[float, float]:
    if "precision, recall" not in view.memo:
        prc = import_fidelity().metric_prc
        found = prc.prc_features_to_metric(
            *_compared(view, generator),
            prc_neighborhood=_NEIGHBOURHOOD,
            prc_batch_size=_MOST_COMPARED,
            save_cpu_ram=True,
            verbose=False,
        )
        both = float(found[prc.KEY_METRIC_PRECISION]), float(found[prc.KEY_METRIC_RECALL])
        view.memo["precision, recall"] = both
    pair: tuple[float, float] = view.memo["precision, recall"]
    return pair
