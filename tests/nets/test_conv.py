"""The image networks: their shapes, their layers, and batch statistics that nothing else moves."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from introsearch.nets.batch_norm import has_batch_norm, with_fixed_statistics
from introsearch.nets.conv import ConvDecoder, ConvEncoder, ResidualBlock
from introsearch.nets.mlp import MLPEncoder


def num_parameters(net):
    return sum(p.numel() for p in net.parameters())


def test_sizes_are_those_of_the_mnist_networks():
    """Counted by hand: 5x5 and 3x3 convolutions without bias, two numbers per normalised map."""
    encoder = ConvEncoder((1, 28, 28), 32, channels=(64, 128))
    block_64_128 = 64 * 128 * 9 + 128 * 128 * 9 + 2 * 2 * 128 + 64 * 128
    block_128 = 2 * 128 * 128 * 9 + 2 * 2 * 128
    first = 25 * 64 + 2 * 64
    assert num_parameters(encoder) == first + block_64_128 + block_128 + (128 * 49 + 1) * 64
    decoder = ConvDecoder(32, (1, 28, 28), channels=(64, 128))
    block_64 = 2 * 64 * 64 * 9 + 2 * 2 * 64
    block_down = 128 * 64 * 9 + 64 * 64 * 9 + 2 * 2 * 64 + 128 * 64
    into = 33 * 128 * 49
    out = 25 * 64 + 1
    assert num_parameters(decoder) == into + block_128 + block_down + block_64 + out


@pytest.mark.parametrize(
    ("shape", "channels"), [((1, 8, 8), (4, 8)), ((3, 32, 32), (4, 6, 8)), ((1, 28, 28), (4, 4))]
)
def test_images_go_in_and_come_out(shape, channels):
    encoder = ConvEncoder(shape, 5, channels=channels)
    mu, logvar = encoder(torch.rand(3, *shape))
    assert mu.shape == logvar.shape == (3, 5)
    assert ConvDecoder(5, shape, channels=channels)(mu).shape == (3, *shape)


def test_sizes_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="30x30 pixels cannot be halved 2 times"):
        ConvEncoder((1, 30, 30), 2, channels=(4, 4))


def test_a_residual_block_is_the_formula():
    block = ResidualBlock(3, 4)
    conv1, norm1, _, conv2, norm2 = block.net
    x = torch.randn(5, 3, 6, 6)
    inner = nn.functional.leaky_relu(norm1(conv1(x)), 0.2)
    expected = nn.functional.leaky_relu(norm2(conv2(inner)) + block.project(x), 0.2)
    torch.testing.assert_close(block(x), expected)


def normalised(x, scale, shift):
    mean, var = (
        x.mean(dim=(0, 2, 3), keepdim=True),
        x.var(dim=(0, 2, 3), keepdim=True, correction=0),
    )
    return (x - mean) / (var + 1e-5).sqrt() * scale[:, None, None] + shift[:, None, None]


def residual(x, block):
    conv1, norm1, _, conv2, norm2 = block.net
    y = functional.conv2d(x, conv1.weight, padding=1)
    y = functional.leaky_relu(normalised(y, norm1.weight, norm1.bias), 0.2)
    y = normalised(functional.conv2d(y, conv2.weight, padding=1), norm2.weight, norm2.bias)
    same = isinstance(block.project, nn.Identity)
    return functional.leaky_relu(
        y + (x if same else functional.conv2d(x, block.project.weight)), 0.2
    )


def test_networks_are_those_of_the_benchmark_layer_by_layer():
    x, z = torch.rand(4, 1, 8, 8), torch.randn(4, 3)
    encoder, decoder = (
        ConvEncoder((1, 8, 8), 3, channels=(4, 6)),
        ConvDecoder(3, (1, 8, 8), channels=(4, 6)),
    )
    blocks = [[m for m in n.net if isinstance(m, ResidualBlock)] for n in (encoder, decoder)]
    first, norm = encoder.net[:2]
    y = normalised(functional.conv2d(x, first.weight, padding=2), norm.weight, norm.bias)
    y = functional.avg_pool2d(functional.leaky_relu(y, 0.2), 2)
    y = residual(functional.avg_pool2d(residual(y, blocks[0][0]), 2), blocks[0][1])
    y = y.flatten(1) @ encoder.head.weight.T + encoder.head.bias
    torch.testing.assert_close(torch.cat(encoder(x), dim=1), y, rtol=1e-4, atol=1e-5)
    into, out = decoder.net[0], decoder.net[-1]
    y = (z @ into.weight.T + into.bias).relu().view(4, 6, 2, 2)
    for block in blocks[1][:2]:
        y = residual(y, block).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    y = functional.conv2d(residual(y, blocks[1][2]), out.weight, out.bias, padding=2)
    torch.testing.assert_close(decoder(z), y, rtol=1e-4, atol=1e-5)


def test_each_batch_is_normalised_by_itself_in_every_mode():
    net = ConvEncoder((1, 8, 8), 2, channels=(4, 4))
    x, before = torch.rand(6, 1, 8, 8), copy.deepcopy(net.state_dict())
    trained = net(x).mu
    assert torch.equal(trained, net.eval()(x).mu)
    assert not torch.allclose(trained[:3], net(x[:3]).mu)
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)


def test_fixed_statistics_are_the_means_over_all_batches_and_belong_to_a_copy():
    net = ConvEncoder((1, 8, 8), 2, channels=(4, 4))
    before = copy.deepcopy(net.state_dict())
    batches = [torch.rand(8, 1, 8, 8) * scale for scale in (1.0, 2.0, 3.0)]
    fixed = with_fixed_statistics(net, batches)
    first = [net.net[0](x) for x in batches]
    layer = fixed.net[1]
    torch.testing.assert_close(
        layer.running_mean, torch.stack([y.mean(dim=(0, 2, 3)) for y in first]).mean(0)
    )
    torch.testing.assert_close(
        layer.running_var, torch.stack([y.var(dim=(0, 2, 3)) for y in first]).mean(0)
    )
    x = batches[0]
    torch.testing.assert_close(fixed(x).mu[:2], fixed(x[:2]).mu)
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)
    assert not torch.allclose(net(x[:2]).mu, fixed(x[:2]).mu)


def test_who_has_batch_norm():
    assert has_batch_norm(ConvEncoder((1, 8, 8), 2, channels=(4,)))
    assert not has_batch_norm(MLPEncoder(2, 2, hidden_units=4))
