import torch

from introsearch.data.base import DataContext
from introsearch.data.images import Digits, to_bytes
from introsearch.training.vae.epochs import EpochBatches


def batches(n=50, batch_size=12):
    data = Digits.open(DataContext(device=torch.device("cpu"), train_images=n))
    return data, EpochBatches(data, batch_size=batch_size)


def test_an_epoch_has_every_image_once_but_those_of_an_incomplete_batch():
    data, cut = batches()
    assert cut.epoch_length == 4
    seen = to_bytes(torch.cat([cut.at(i, seed=0) for i in range(4, 8)])).flatten(1)
    assert len(seen) == 48
    known = {bytes(image) for image in data.train.images.flatten(1).numpy()}
    drawn = {bytes(image) for image in seen.numpy()}
    assert drawn < known
    assert len(known) - len(drawn) <= 2


def test_a_batch_follows_from_seed_and_iteration_alone():
    _, one = batches()
    _, other = batches()
    for iteration in (0, 7, 3):
        other.at(iteration + 5, seed=1)
        assert torch.equal(one.at(iteration, seed=0), other.at(iteration, seed=0))
    assert not torch.equal(one.at(3, seed=0), one.at(3, seed=1))
    assert not torch.equal(one.at(3, seed=0), one.at(7, seed=0))
