"""Image data sets: read from real files, refused when damaged, drawn without repetition."""

from __future__ import annotations

import gzip
import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from introsearch.data.base import DataContext
from introsearch.data.compat import import_torchvision
from introsearch.data.folder import VARIABLE, data_folder
from introsearch.data.images import CIFAR10, MNIST, SVHN, Digits, ImageFolder, to_bytes, to_float
from introsearch.errors import ConfigError
from tests.data.idx import write_idx, write_mnist

CPU = torch.device("cpu")


def opened(cls, **context):
    return cls.open(DataContext(device=CPU, **context))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return tmp_path


def test_digits_are_the_ones_of_scikit_learn():
    data = opened(Digits)
    assert (len(data.train), len(data.test), data.shape, data.dims) == (1437, 360, (1, 8, 8), 64)
    assert data.num_classes == 10
    assert data.train.images.dtype == torch.uint8
    assert data.train.images.max() == 255
    counts = torch.cat([data.train.labels, data.test.labels]).bincount()
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_content_is_identified():
    assert opened(Digits).fingerprint == opened(Digits).fingerprint
    assert opened(Digits).fingerprint != opened(Digits, train_images=1436).fingerprint


def test_samples_differ_and_follow_the_generator():
    data = opened(Digits, train_images=50)
    draw = [data.sample(50, torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert draw[0].shape == (50, 1, 8, 8)
    assert torch.equal(draw[0], draw[1])
    assert not torch.equal(draw[0], draw[2])
    assert torch.equal(
        to_bytes(draw[0]).flatten(1).sort(0).values,
        data.train.images.flatten(1).sort(0).values,
    )
    with pytest.raises(ConfigError, match="the train split has 50"):
        data.sample(51, torch.Generator())


def test_bytes_and_floats():
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_bytes(to_float(every)), every)
    assert to_bytes(torch.tensor([-1.0, 2.0])).tolist() == [0, 255]


@pytest.mark.parametrize("packed", [False, True])
def test_an_idx_file_of_any_length_is_read(folder, packed):
    write_mnist(folder, train=33, test=7)
    if packed:
        for path in (folder / "MNIST/raw").iterdir():
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    data = opened(MNIST)
    assert (len(data.train), len(data.test), data.shape) == (33, 7, (1, 28, 28))
    assert data.train.labels.tolist() == [i % 10 for i in range(33)]
    assert (data.train.images[3, 0, 3] >= 150).all()
    assert len(opened(MNIST, train_images=5).train) == 5


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _pad(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("train-images-idx3-ubyte", Path.unlink, "mnist is not in the data folder"),
        ("t10k-labels-idx1-ubyte", Path.unlink, "no .*t10k-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte", _cut, "is truncated: 31,375 bytes .* announces 31,376"),
        ("t10k-labels-idx1-ubyte", _pad, "is too long"),
        ("train-labels-idx1-ubyte", lambda p: p.write_bytes(b""), "no idx file"),
        ("train-images-idx3-ubyte", lambda p: p.write_bytes(b"\x1f\x8b garbage"), "no idx file"),
        ("train-labels-idx1-ubyte", lambda p: write_idx(p, np.zeros(39, "u1")), "39 labels for 40"),
        ("train-labels-idx1-ubyte", lambda p: write_idx(p, np.full(40, 10, "u1")), "a label 10"),
        (
            "train-images-idx3-ubyte",
            lambda p: write_idx(p, np.zeros((40, 32, 32), "u1")),
            "32x32 pixels, not 28x28",
        ),
        ("t10k-images-idx3-ubyte", lambda p: write_idx(p, np.zeros((0, 28, 28), "u1")), "empty"),
    ],
)
def test_damaged_files_are_named(folder, file, damage, message):
    write_mnist(folder)
    damage(folder / "MNIST/raw" / file)
    with pytest.raises(ConfigError, match=message):
        opened(MNIST)


def test_what_is_missing_is_said_with_where_to_put_it(folder):
    with pytest.raises(ConfigError) as caught:
        opened(CIFAR10)
    assert "data_batch_1" in caught.value.message
    for word in (str(folder / "cifar-10-batches-py"), "--data-dir", VARIABLE, "--download"):
        assert word in caught.value.hint


def test_a_damaged_packed_file(folder):
    write_mnist(folder)
    path = folder / "MNIST/raw/train-images-idx3-ubyte"
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes())[:-100])
    path.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        opened(MNIST)


def test_more_train_images_than_there_are(folder):
    write_mnist(folder)
    with pytest.raises(ConfigError) as caught:
        opened(MNIST, train_images=60_000)
    assert caught.value.key == "train_images"
    assert "train_images: 40" in caught.value.hint


def _write_cifar(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Five train files and a test file of four images each, which torchvision believes in."""
    cls = import_torchvision().datasets.CIFAR10
    where = folder / "cifar-10-batches-py"
    where.mkdir()
    sums, pixels = {}, {}
    for i, name in enumerate([n for n, _ in cls.train_list + cls.test_list] + ["batches.meta"]):
        pixels[name] = np.random.default_rng(i).integers(0, 256, (4, 3072), dtype=np.uint8)
        entry = {"data": pixels[name], "labels": [0, 1, 2, 9], "label_names": ["a"]}
        content = pickle.dumps(entry)
        (where / name).write_bytes(content)
        sums[name] = hashlib.md5(content).hexdigest()
    for files in ("train_list", "test_list"):
        monkeypatch.setattr(cls, files, [[n, sums[n]] for n, _ in getattr(cls, files)])
    monkeypatch.setitem(cls.meta, "md5", sums["batches.meta"])
    return pixels


def test_cifar10(folder, monkeypatch):
    pixels = _write_cifar(folder, monkeypatch)
    data = opened(CIFAR10)
    assert (len(data.train), len(data.test), data.shape) == (20, 4, (3, 32, 32))
    assert np.array_equal(data.train.images[:4].reshape(4, -1).numpy(), pixels["data_batch_1"])
    assert data.test.labels.tolist() == [0, 1, 2, 9]
    _cut(folder / "cifar-10-batches-py/data_batch_3")
    with pytest.raises(ConfigError, match="damaged"):
        opened(CIFAR10)


def test_svhn(folder, monkeypatch):
    from scipy.io import savemat

    cls = import_torchvision().datasets.SVHN
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 5), dtype=np.uint8)
    lists = {}
    for part in ("train", "test"):
        path = folder / f"{part}_32x32.mat"
        savemat(path, {"X": pixels, "y": np.array([[1], [2], [10], [9], [3]], np.uint8)})
        lists[part] = ["", path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(cls, "split_list", lists)
    data = opened(SVHN)
    assert data.train.labels.tolist() == [1, 2, 0, 9, 3]
    assert np.array_equal(data.test.images.numpy(), pixels.transpose(3, 2, 0, 1))
    _cut(folder / "test_32x32.mat")
    with pytest.raises(ConfigError, match="damaged"):
        opened(SVHN)


def _save(path: Path, *, mode: str = "RGB", size: tuple[int, int] = (8, 8), value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, (value,) * len(mode) if len(mode) > 1 else value).save(path)


@pytest.fixture
def photos(folder):
    for name in ("cats", "dogs"):
        for i in range(6):
            _save(folder / f"photos/{name}/{i}.png", value=i)
    return folder / "photos"


def photo_set(**changes):
    return opened(
        ImageFolder, **{"image_folder": "photos", "image_size": 8, "image_channels": 3, **changes}
    )


def test_folders_are_classes_and_every_fifth_image_is_for_the_test(photos):
    data = photo_set()
    assert (data.shape, data.num_classes) == ((3, 8, 8), 2)
    assert data.train.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 5] * 2
    assert data.test.labels.tolist() == [0, 1]
    assert data.test.images[:, 2, 7, 7].tolist() == [4, 4]


def test_train_and_test_folders_are_the_splits(folder):
    for part, n in (("train", 3), ("test", 2)):
        for i in range(n):
            _save(folder / f"photos/{part}/a/{i}.jpg", mode="L")
    data = photo_set(image_channels=1)
    assert (len(data.train), len(data.test), data.shape) == (3, 2, (1, 8, 8))


@pytest.mark.parametrize(
    ("damage", "message", "key"),
    [
        (lambda p: _save(p / "dogs/3.png", size=(9, 8)), "3.png has 9x8 pixels, not 8x8", "size"),
        (lambda p: _save(p / "dogs/3.png", mode="L"), "grey where colour is expected", "channels"),
        (lambda p: _save(p / "dogs/3.png", mode="RGBA"), "of mode RGBA", "channels"),
        (lambda p: (p / "dogs/3.png").write_bytes(b"no image"), "3.png is damaged", ""),
    ],
)
def test_an_image_that_does_not_fit_is_named(photos, damage, message, key):
    damage(photos)
    with pytest.raises(ConfigError, match=message) as caught:
        photo_set()
    assert key in caught.value.key


def test_a_truncated_image_is_named(photos):
    path = photos / "dogs/3.png"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ConfigError, match=r"3.png is damaged"):
        photo_set()


def test_an_image_folder_needs_images_and_a_size(folder):
    with pytest.raises(ConfigError, match="there is no folder"):
        photo_set()
    (folder / "photos").mkdir()
    with pytest.raises(ConfigError, match="no images to train with"):
        photo_set()
    with pytest.raises(ConfigError, match="needs its path and the size"):
        photo_set(image_size=None)


def test_the_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "x"))
    assert data_folder() == tmp_path / "x"
    monkeypatch.delenv(VARIABLE)
    monkeypatch.chdir(tmp_path)
    assert data_folder() == tmp_path / "data"
