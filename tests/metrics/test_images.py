"""Metrics of images: against closed forms, independent computations and hostile files."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn

from introsearch.data.base import CPU, DataContext
from introsearch.data.compat import import_torchvision
from introsearch.data.folder import CACHE_VARIABLE, VARIABLE
from introsearch.data.images import Digits, to_float
from introsearch.errors import ConfigError
from introsearch.metrics import (
    classifier,
    features,
    generation,
    image_elbo,
    representation,
    responsibilities,
)
from introsearch.metrics.content_cache import cached
from introsearch.metrics.features import INCEPTION_FILE, Extractor, extractor_for, load_inception
from introsearch.metrics.view import ModelView
from introsearch.nets.mlp import Posterior
from introsearch.priors.base import Components
from introsearch.priors.gaussian import StandardGaussian
from introsearch.priors.mixture import MixtureOfGaussians

NUM = 300


@pytest.fixture(scope="module")
def digits():
    return Digits.open(DataContext(device=CPU, train_images=NUM))


class Coder(nn.Module):
    """Knows each train image by heart: its latent is its pixels; and draws them as a prior too."""

    def __init__(self, data):
        super().__init__()
        self.pixels = to_float(data.train.images).flatten(1)

    def forward(self, x):
        mu = x.flatten(1)
        return Posterior(mu, torch.full_like(mu, -40.0))

    def log_prob(self, z):
        return torch.zeros(z.shape[:-1])

    def sample(self, n, generator):
        return self.pixels[torch.randperm(len(self.pixels), generator=generator)[:n]]


class Shift(nn.Module):
    def __init__(self, shift):
        super().__init__()
        self.shift = shift

    def forward(self, z):
        return z.view(-1, 1, 8, 8) + self.shift


def view(digits, shift=0.0):
    coder = Coder(digits)
    return ModelView(digits, coder, Shift(shift), coder, num_samples=NUM)


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_model_that_reproduces_the_train_split_is_perfect(digits):
    v = view(digits)
    assert generation.fid_gen(v, stream()) == pytest.approx(0.0, abs=1e-3)
    assert generation.fid_rec(v, stream()) == pytest.approx(0.0, abs=1e-3)
    assert generation.precision_gen(v, stream()) == 1.0
    assert generation.recall_gen(v, stream()) == 1.0
    assert image_elbo.rec_test(v, stream()) == pytest.approx(0.0, abs=1e-6)


def test_all_metrics_notice_a_model_that_does_not(digits):
    good, bad = view(digits), view(digits, shift=0.4)
    assert generation.fid_gen(bad, stream()) > 10
    assert generation.fid_rec(bad, stream()) > 10
    assert generation.kid_gen(bad, stream()) > 10 * abs(generation.kid_gen(good, stream()))
    assert generation.precision_gen(bad, stream()) < 1
    assert image_elbo.rec_test(bad, stream()) == pytest.approx(64 * 0.16, rel=1e-4)


def test_fid_is_the_formula_on_8_bit_images(digits):
    """Also of clipped and quantised images: what is above 1 does not count."""
    v = view(digits, shift=0.4)
    extractor = extractor_for(digits, "classifier")
    pixels = (to_float(digits.train.images) + 0.4).clamp(0, 1)
    fake = extractor.of((pixels * 255).round().to(torch.uint8)).double().numpy()
    real = extractor.of(digits.train.images).double().numpy()
    a, b = np.cov(fake, rowvar=False), np.cov(real, rowvar=False)
    root = sqrtm((a + 1e-9 * np.eye(len(a))) @ (b + 1e-9 * np.eye(len(b)))).real
    gap = fake.mean(0) - real.mean(0)
    expected = gap @ gap + np.trace(a + b - 2 * root)
    assert generation.fid_gen(v, stream()) == pytest.approx(expected, rel=1e-3)


def test_samples_that_are_no_numbers_give_no_number(digits):
    v = view(digits)
    broken = Extractor("broken", lambda x: torch.full((len(x), 4), torch.nan))
    v.memo["generated features"] = broken.of(digits.train.images)
    assert np.isnan(generation.fid_gen(v, stream()))


def test_representation_metrics_find_labels_that_are_there(digits):
    v = view(digits)
    for metric in (representation.svm_2k, representation.svm_10k, representation.knn_5):
        assert metric(v, stream()) > 0.8
    assert representation.knn_100(v, stream()) > 0.4
    blind = dataclasses.replace(v, encoder=_Blind(), memo={})
    assert representation.knn_5(blind, stream()) < 0.3


def test_representation_metrics_follow_the_protocol(digits, monkeypatch):
    """Statistics of one epoch, one sample of each posterior, standardised on the train split."""
    asked, epoch = [], []

    class Classifier:
        def __init__(self, **given):
            self.given = given

        def fit(self, x, labels):
            asked.append((self.given, x, labels))

        def score(self, x, labels):
            asked.append((x, labels))
            return 0.5

    def fixed(encoder, batches):
        epoch.extend(batches)
        return encoder

    monkeypatch.setattr(representation, "SVC", Classifier)
    monkeypatch.setattr(representation, "KNeighborsClassifier", Classifier)
    monkeypatch.setattr(representation, "with_fixed_statistics", fixed)
    v = dataclasses.replace(view(digits), encoder=_Shifted(), memo={})
    for name in ("svm_2k", "svm_10k", "knn_5", "knn_100"):
        assert getattr(representation, name)(v, stream()) == 0.5
    assert torch.equal(torch.cat(epoch), to_float(digits.train.images))
    svm = {"kernel": "linear", "C": 0.025}
    assert asked[0][0] == svm | {"max_iter": 2_000}
    assert asked[2][0] == svm | {"max_iter": 10_000}
    assert [asked[i][0]["n_neighbors"] for i in (4, 6)] == [5, 100]
    (_, train, labels), (test, test_labels) = asked[:2]
    assert (labels == digits.train.labels.numpy()).all()
    assert (test_labels == digits.test.labels.numpy()).all()
    np.testing.assert_allclose([train.mean(0), train.std(0)], [[0] * 3, [1] * 3], atol=1e-5)
    np.testing.assert_allclose([test.mean(0), test.std(0)], [[0] * 3, [1] * 3], atol=0.3)
    assert abs(test.mean()) > 1e-4


class _Shifted(nn.Module):
    """A posterior of mean 5 and standard deviation 1/e, whatever the image."""

    def forward(self, x):
        return Posterior(torch.full((len(x), 3), 5.0), torch.full((len(x), 3), -2.0))


class _Remembering(nn.Module):
    """Encodes nothing, and keeps what it was shown."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(x)
        return Posterior(torch.zeros(len(x), 2), torch.zeros(len(x), 2))


@torch.no_grad()
def test_use_of_components_is_measured_on_test_images(digits):
    parts = Components(torch.zeros(3, 2), torch.zeros(3, 2), torch.full((3,), 1 / 3).log())
    prior = MixtureOfGaussians(parts, learnable_contributions=False)
    v = dataclasses.replace(view(digits), prior=prior, encoder=_Remembering())
    assert responsibilities.responsibility_entropy(v, stream()) == pytest.approx(1.0)
    assert torch.equal(torch.cat(v.encoder.seen), to_float(digits.test.images))


class _Blind(nn.Module):
    def forward(self, x):
        return Posterior(torch.zeros(len(x), 3), torch.zeros(len(x), 3))


def test_kl_on_the_test_split_is_the_closed_form(digits):
    v = dataclasses.replace(view(digits), prior=StandardGaussian(64))
    x = to_float(digits.test.images).flatten(1)
    expected = 0.5 * (x.square().sum(1) + 64 * (np.exp(-40.0) + 40 - 1)).mean()
    assert image_elbo.kl_test(v, stream()) == pytest.approx(float(expected), rel=1e-5)


class TestClassifier:
    def test_it_learns(self):
        data = Digits.open(DataContext(device=CPU, train_images=600))
        assert classifier.trained_classifier(data).accuracy > 0.9

    def test_it_is_trained_once_and_its_name_tells_its_weights(self, digits, monkeypatch):
        name = features._of_classifier(digits).name
        monkeypatch.setattr(classifier, "_train", pytest.fail)
        assert features._of_classifier(digits).name == name
        assert name.startswith("classifier ")
        assert "% of test images right" in name

    def test_training_it_again_gives_the_same_and_touches_no_global_state(
        self, digits, tmp_path, monkeypatch
    ):
        name, state = features._of_classifier(digits).name, torch.get_rng_state()
        monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
        assert features._of_classifier(digits).name == name
        assert torch.equal(state, torch.get_rng_state())

    def test_a_single_class_has_none(self, digits):
        single = Digits.open(DataContext(device=CPU, train_images=NUM))
        single.num_classes = 1
        with pytest.raises(ConfigError, match="single class"):
            classifier.trained_classifier(single)


def test_a_damaged_cache_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    made = []

    def make():
        made.append(1)
        return {"value": torch.ones(2)}

    for _ in range(2):
        assert cached("thing", {"a": 1}, make)["value"].tolist() == [1, 1]
    assert len(made) == 1
    cached("thing", {"a": 2}, make)
    assert len(made) == 2
    for path in tmp_path.glob("*.pt"):
        path.write_bytes(path.read_bytes()[:50])
    cached("thing", {"a": 1}, make)
    assert len(made) == 3


class TestInception:
    def test_missing_weights_are_said_with_where_to_put_them(self, tmp_path, monkeypatch):
        monkeypatch.setenv(VARIABLE, str(tmp_path))
        with pytest.raises(ConfigError) as caught:
            load_inception()
        assert INCEPTION_FILE in caught.value.message
        assert "--download" in caught.value.hint

    @pytest.mark.parametrize("content", ["other keys", "no weights"])
    def test_weights_of_something_else_are_refused(self, tmp_path, monkeypatch, content):
        monkeypatch.setenv(VARIABLE, str(tmp_path))
        if content == "other keys":
            torch.save({"conv.weight": torch.ones(1)}, tmp_path / INCEPTION_FILE)
        else:
            (tmp_path / INCEPTION_FILE).write_bytes(b"<html>404</html>")
        with pytest.raises(ConfigError, match="does not hold the weights") as caught:
            load_inception()
        assert caught.value.key == "feature_extractor"
        assert ("Missing key" in caught.value.message) == (content == "other keys")

    @pytest.mark.slow
    def test_its_features_come_from_the_file(self, tmp_path, monkeypatch, digits):
        """Random weights of the right shapes, written to a file as the published ones are."""
        import_torchvision()
        from torch_fidelity import feature_extractor_inceptionv3 as module

        monkeypatch.setenv(VARIABLE, str(tmp_path))
        with monkeypatch.context() as patch:
            cls = module.FeatureExtractorInceptionV3
            patch.setattr(module, "load_state_dict_from_url", lambda *_, **__: {})
            patch.setattr(cls, "load_state_dict", lambda self, state: None)
            torch.manual_seed(0)
            torch.save(cls("inception", ["2048"]).state_dict(), tmp_path / INCEPTION_FILE)
        extractor = features._of_inception(digits)
        assert extractor.name.startswith("inception ")
        found = extractor.of(digits.train.images[:2])
        assert found.shape == (2, 2048)
        assert not torch.equal(found[0], found[1])
