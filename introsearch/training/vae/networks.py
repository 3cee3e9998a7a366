"""Which networks a data set is trained with."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import convert_conv2d_weight_memory_format

from introsearch.data.base import Data
from introsearch.errors import ConfigError
from introsearch.nets.conv import ConvDecoder, ConvEncoder, feature_shape
from introsearch.nets.mlp import MLPDecoder, MLPEncoder
from introsearch.nets.strided import StridedDecoder, StridedEncoder
from introsearch.settings.vae import VAESettings


def make_networks(data: Data, settings: VAESettings) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder, initialised from torch's global generator.

    Raises:
        ConfigError: the images' size does not suit the settings.
    """
    s, channels = settings, settings.channels or ()
    if s.hidden_units is not None:  # of points; images have channels
        return (
            MLPEncoder(data.dims, s.latent_dim, hidden_units=s.hidden_units),
            MLPDecoder(s.latent_dim, data.dims, hidden_units=s.hidden_units),
        )
    if s.networks == "strided":
        networks: tuple[nn.Module, nn.Module] = (
            StridedEncoder(data.shape, s.latent_dim, channels=channels),
            StridedDecoder(s.latent_dim, data.shape, channels=channels),
        )
    else:
        networks = _residual_networks(data, s.latent_dim, channels)
    layout = torch.channels_last if s.channels_last else torch.contiguous_format
    for network in networks:  # feature maps take the layout of the weights
        convert_conv2d_weight_memory_format(network, layout)
    return networks


def _residual_networks(
    data: Data, latent_dim: int, channels: tuple[int, ...]
) -> tuple[nn.Module, nn.Module]:
    try:
        feature_shape(data.shape, channels)
    except ValueError as error:
        raise ConfigError(str(error), key="channels", hint="fewer entries") from error
    return (
        ConvEncoder(data.shape, latent_dim, channels=channels),
        ConvDecoder(latent_dim, data.shape, channels=channels),
    )
