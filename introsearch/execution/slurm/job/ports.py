"""Addresses and ports of this machine."""

from __future__ import annotations

import socket

from introsearch.errors import ClusterError

FIRST_PORT, NUM_PORTS = 20_000, 10_000  # below those that Linux hands out by itself


def address_towards(peer: str) -> str:
    """The address of this machine that another one reaches."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((peer, 9))  # sends nothing
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()


def free_port(wish: int) -> int:
    """A port of this machine that nobody uses, another one for another wish."""
    for i in range(NUM_PORTS):
        port = FIRST_PORT + (wish + i) % NUM_PORTS
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
                return port
            except OSError:
                continue
    raise ClusterError("no port is free", hint="is this node flooded with servers?")
