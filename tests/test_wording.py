"""Words and tables are the same wherever they are shown."""

from __future__ import annotations

import math

import numpy as np
import pytest

from introsearch.wording import aligned, count, setting


def test_one_of_a_thing_and_several() -> None:
    assert [count(n, "trial") for n in (0, 1, 1234)] == ["0 trials", "1 trial", "1,234 trials"]


@pytest.mark.parametrize(
    ("value", "short", "full"),
    [
        (True, "true", "true"),
        (np.bool_(False), "false", "false"),
        (None, "null", "null"),
        (1 / 3, "0.3333", repr(1 / 3)),
        (np.float64(2.0), "2", "2.0"),
        (30_000, "30000", "30000"),
        ([64, None, 1 / 3], "[64, null, 0.3333]", f"[64, null, {1 / 3!r}]"),
        (math.nan, "-", "-"),
        ("rings", "rings", "rings"),
    ],
)
def test_settings_read_as_in_a_study_file(value: object, short: str, full: str) -> None:
    assert (setting(value), setting(value, full=True)) == (short, full)


def test_what_does_not_apply_can_have_another_sign() -> None:
    assert setting(None, null="-") == "-"
    assert setting(False, null="-") == "false"


def test_columns_line_up_without_blanks_at_the_end() -> None:
    rows = [["variant", "n", ""], ["sg", "12", ""]]
    assert aligned(rows) == ["variant   n", "sg       12"]
    assert aligned(rows, num_left=0) == ["variant   n", "     sg  12"]
