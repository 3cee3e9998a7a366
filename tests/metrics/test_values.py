"""Metrics by name, and what one of the user's own must give."""

import pytest
import torch

from introsearch.errors import ConfigError
from introsearch.metrics import values as judging


def values_of(monkeypatch, *results):
    """As if metrics 0, 1, ... gave these."""
    monkeypatch.setattr(judging, "resolve", lambda kind, name: lambda *_: results[int(name)])
    names = [str(i) for i in range(len(results))]
    return judging.metric_values(names, None, new_stream=torch.Generator)


def test_values_are_floats(monkeypatch):
    values = values_of(monkeypatch, 1, True, torch.tensor([2.5]), torch.tensor(0.5).double())
    assert values == {"0": 1.0, "1": 1.0, "2": 2.5, "3": 0.5}
    assert {type(value) for value in values.values()} == {float}


def test_each_metric_has_a_stream_of_its_own(monkeypatch):
    monkeypatch.setattr(
        judging, "resolve", lambda *_: lambda view, g: torch.rand(1, generator=g).item()
    )
    values = judging.metric_values(
        ["a", "b"], None, new_stream=lambda: torch.Generator().manual_seed(3)
    )
    assert values["a"] == values["b"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "gives a NoneType and"),
        ("good", "gives a str and"),
        ((1.0, 2.0), "gives a tuple and"),
        (torch.zeros(2, 3), "gives a Tensor of shape (2, 3) and"),
    ],
)
def test_what_is_no_number_is_refused(monkeypatch, value, words):
    with pytest.raises(ConfigError) as caught:
        values_of(monkeypatch, value)
    assert f"0 {words} not a number" in str(caught.value)
