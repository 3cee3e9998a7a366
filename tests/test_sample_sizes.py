"""Few samples where only the way is tried, and all of them ever after."""

from __future__ import annotations

import pytest

from introsearch.sample_sizes import few_samples, sample_size


def test_sizes() -> None:
    assert (sample_size(5_000), sample_size(10), sample_size(100, few=2)) == (5_000, 10, 100)
    with few_samples(256):
        assert (sample_size(5_000), sample_size(10), sample_size(100, few=2)) == (256, 10, 2)
        with few_samples(64):
            assert sample_size(5_000) == 64
        assert sample_size(5_000) == 256
    with pytest.raises(ZeroDivisionError), few_samples(256):
        _ = 1 / 0
    assert sample_size(5_000) == 5_000
