"""The networks of EVaLP's authors: their sizes, and images that come out as they went in."""

import pytest
import torch
from torch import nn

from introsearch.nets.strided import StridedDecoder, StridedEncoder, padded_side

MNIST = (128, 256, 512, 1024)


def widths(net, kind):
    return [m.out_channels for m in net.modules() if isinstance(m, kind)]


@pytest.mark.parametrize(
    ("shape", "decoder"),
    [((1, 28, 28), [512, 256, 1]), ((3, 32, 32), [512, 256, 3]), ((3, 64, 64), [512, 256, 128, 3])],
)
def test_feature_maps_are_the_published_ones(shape, decoder):
    with torch.device("meta"):
        one = StridedEncoder(shape, 16, channels=MNIST)
        other = StridedDecoder(16, shape, channels=MNIST)
    assert widths(one, nn.Conv2d) == list(MNIST)
    assert widths(other, nn.ConvTranspose2d) == decoder
    assert other.net[0].out_features == 1024 * 8 * 8
    assert one.head.in_features == 1024 * (padded_side(shape[1], 4) // 16) ** 2


@pytest.mark.parametrize(
    ("shape", "channels"),
    [((1, 28, 28), (4, 6, 8, 8)), ((1, 28, 28), (4,)), ((3, 64, 64), (4, 4)), ((1, 8, 8), (4, 6)),
     ((1, 9, 9), (4, 6, 8))],
)  # fmt: skip
def test_images_go_in_and_come_out(shape, channels):
    encoder = StridedEncoder(shape, 5, channels=channels)
    decoder = StridedDecoder(5, shape, channels=channels)
    mu, logvar = encoder(torch.rand(3, *shape))
    assert mu.shape == logvar.shape == (3, 5)
    assert max(mu.abs().max(), logvar.abs().max()) < 5
    image = decoder(mu)
    assert image.shape == (3, *shape)
    assert 0 < image.min() < image.max() < 1


def test_margins_are_black_on_the_scale_of_the_network():
    encoder = StridedEncoder((1, 28, 28), 2, channels=(3, 4, 4, 4))
    seen = []
    encoder.net[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    encoder(torch.ones(2, 1, 28, 28))
    assert seen[0].shape == (2, 1, 32, 32)
    assert (seen[0][:, :, 2:30, 2:30] == 1).all()
    assert seen[0].sum() == 2 * (28 * 28 - (32 * 32 - 28 * 28))


def test_outputs_are_squashed_as_by_the_authors():
    encoder = StridedEncoder((1, 8, 8), 3, channels=(4, 6))
    with torch.no_grad():
        encoder.head.weight.mul_(1e3)
    output = torch.cat(encoder(torch.rand(4, 1, 8, 8)), dim=1)
    assert output.abs().max().item() == pytest.approx(5.0)
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [m.eps for m in norms] == [1e-3, 1e-3]


def test_every_pixel_depends_on_the_latent():
    decoder = StridedDecoder(3, (1, 28, 28), channels=(4, 6, 8, 8))
    a, b = decoder(torch.randn(4, 3)), decoder(torch.randn(4, 3))
    assert (a != b).all()
