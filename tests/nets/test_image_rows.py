"""Convolutions on rows that hold the pixels of images in another order."""

import torch

from introsearch.data.quadrants import split_quadrants
from introsearch.nets.image_rows import ImageLayout, RowDecoder, RowEncoder

SHAPE = (2, 4, 4)


def quadrant_rows(images):
    return torch.cat(split_quadrants(images), dim=1)


def layout():
    pixels = torch.arange(32).reshape(1, *SHAPE)
    return ImageLayout(SHAPE, quadrant_rows(pixels)[0].argsort())


def test_pixels_find_their_places():
    images = torch.rand(3, *SHAPE)
    assert torch.equal(layout().images(quadrant_rows(images)), images)


def test_a_decoder_gives_the_pixels_of_y_in_their_order():
    decoder = RowDecoder(layout(), 5, 24, channels=(3,))
    inputs = torch.randn(6, 5, dtype=torch.double)
    whole = decoder.net(inputs.float())
    rest, _ = split_quadrants(whole)
    assert torch.equal(decoder(inputs), rest.double())


def test_an_encoder_sees_each_row_alone_and_all_of_it():
    encoder = RowEncoder(layout(), 35, 4, channels=(3,))  # three columns more than pixels
    rows = torch.rand(6, 35, dtype=torch.double, requires_grad=True)
    mu = encoder(rows)
    torch.testing.assert_close(encoder(rows[2:3]), mu[2:3])
    (slopes,) = torch.autograd.grad(mu[2].sum(), rows)
    assert (slopes[2] != 0).all()
    assert not slopes[3].any()
