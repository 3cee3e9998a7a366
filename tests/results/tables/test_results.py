"""Tables: every digit, every escape, and a round trip to the last bit."""

from __future__ import annotations

import csv
import io
import math
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from introsearch.errors import ConfigError
from introsearch.results.comparison import COMPARISON_COLUMNS, TIED, TOO_FEW, compare
from introsearch.results.statistics import SUMMARY_COLUMNS, summarise
from introsearch.results.tables.captions import caption, marks_text
from introsearch.results.tables.formats import FORMATS, format_number
from introsearch.results.tables.results import chosen_table, render

COLUMNS = (*SUMMARY_COLUMNS, *COMPARISON_COLUMNS)
PM = "\u00b1"
DOWN, UP = "\u2193", "\u2191"


def row(group: str, metric: str, mean: float, std: float = 0.1, n: int = 5, **counts: Any) -> Any:
    zeros = {"diverged": 0, "failed": 0, "missing": 0, "collapsed": 0}
    head = {"group": group, "config_id": "0123456789ab", "metric": metric}
    tests = {"ci_low": math.nan, "ci_high": math.nan, "p_value": math.nan, "verdict": ""}
    return head | {"mean": mean, "std": std, "n": n} | zeros | tests | counts


def table(rows: list[Any], *, fmt: str = "md", text: str = "", **more: Any) -> str:
    metrics = list(dict.fromkeys(r["metric"] for r in rows))
    goals = {metric: "maximize" if metric == "entropy" else "minimize" for metric in metrics}
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return render(frame, metrics=metrics, goals=goals, fmt=fmt, caption=text, **more)


def cells(markdown: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


class TestFormatNumber:
    @pytest.mark.parametrize(
        ("mean", "std", "expected"),
        [
            (1.2345, 0.1123, f"1.23 {PM} 0.11"),
            (12.345, 1.234, f"12.3 {PM} 1.2"),
            (123.456, 12.34, f"123 {PM} 12"),
            (0.98765, 0.00123, f"0.9877 {PM} 0.0012"),
            # A std that rounds up to the next power of ten keeps two digits.
            (1.2345, 0.0996, f"1.23 {PM} 0.10"),
            (1.2345, 0.0994, f"1.234 {PM} 0.099"),
            # No digits are invented before the decimal point, none are dropped either.
            (123456.7, 1234.5, f"123457 {PM} 1234"),
            (0.5, 123.4, f"0 {PM} 123"),
            (1234567.0, 12345.0, f"(1.235 {PM} 0.012)e+06"),
            (3.4e-05, 1.2e-06, f"(3.40 {PM} 0.12)e-05"),
            (1.2e-06, 3.4e-05, f"(0.1 {PM} 3.4)e-05"),
            (1.23, 1.2e-06, f"1.230000 {PM} 1.2e-06"),
            (1.23, 0.0, f"1.230 {PM} 0"),
            (0.0, 0.0, f"0 {PM} 0"),
            (-0.001, 0.11, f"0.00 {PM} 0.11"),
            (-2.5, 0.25, f"-2.50 {PM} 0.25"),
        ],
    )
    def test_mean_and_std(self, mean: float, std: float, expected: str) -> None:
        assert format_number(mean, std=std, n=5) == expected

    @pytest.mark.parametrize(
        ("mean", "expected"),
        [
            (1.23456, "1.235"),
            (123456.0, "123456"),
            (1.2e-06, "1.200e-06"),
            (1.2e12, "1.200e+12"),
            (-0.012346, "-0.01235"),
            (0.0, "0"),
            (math.inf, "inf"),
            (math.nan, "nan"),
        ],
    )
    def test_alone(self, mean: float, expected: str) -> None:
        assert format_number(mean, std=math.nan, n=1) == expected

    def test_one_run_has_no_spread_and_none_has_nothing(self) -> None:
        assert PM not in format_number(1.0, std=0.5, n=1)
        assert format_number(math.nan, n=0) == "-"

    def test_says_what_it_was_given(self) -> None:
        """Reading the cell back gives mean and std within the last digit shown."""
        rng = np.random.default_rng(0)
        for _ in range(500):
            mean, std = 10.0 ** rng.uniform(-12, 12, 2)
            text = format_number(mean, std=std, n=3)
            scale = 1.0
            if text.startswith("("):
                text, _, power = text[1:].partition(")e")
                scale = 10.0 ** int(power)
            shown_mean, shown_std = (float(part) * scale for part in text.split(f" {PM} "))
            assert shown_std == pytest.approx(std, rel=0.051)
            assert abs(shown_mean - mean) <= max(0.051 * std, 0.51e-6 * scale, 0.51 * (std > 10))


class TestMarkdown:
    def test_a_whole_table(self) -> None:
        rows = [
            row("8gaussians / ip_lc", "kl", 1.2345, 0.1123),
            row("8gaussians / ip_lc", "entropy", 0.5, 0.012),
            row("rings / sg", "kl", 2.0, 0.5, n=4, diverged=1),
            row("rings / sg", "entropy", 0.75, 0.012, n=4, diverged=1),
        ]
        pad = " " * 12
        assert table(rows, text="Mean.").splitlines() == [
            "Mean.",
            "",
            f"| group              | kl {DOWN}{pad}| entropy {UP}         | n              |",
            "|--------------------|-----------------|-------------------|----------------|",
            f"| 8gaussians / ip_lc | **1.23 {PM} 0.11** | 0.500 {PM} 0.012     | 5              |",
            f"| rings / sg         | 2.00 {PM} 0.50     | **0.750 {PM} 0.012** | 4 (1 diverged) |",
        ]

    def test_counts(self) -> None:
        rows = [
            row("a", "kl", 1.0, n=5),
            row("b", "kl", 1.0, n=3, failed=1, missing=1),
            row("c", "kl", 1.5, math.nan, n=1, diverged=4),
            row("d", "kl", math.nan, math.nan, n=0, missing=5),
            row("e", "kl", 1.5, n=4, diverged=1, collapsed=2),
        ]
        body = cells(table(rows))[1:]
        assert [line[-1] for line in body] == [
            "5", "3 (1 failed, 1 missing)", "1 (4 diverged)", "0 (5 missing)",
            "4 (1 diverged, 2 collapsed)",
        ]  # fmt: skip
        assert [body[2][1], body[3][1]] == ["1.500", "-"]

    def test_a_metric_with_fewer_runs_is_named(self) -> None:
        rows = [row("a", "kl", 1.0, n=5), row("a", "entropy", 1.0, n=4, missing=1)]
        assert cells(table(rows))[1][-1] == "5; entropy: 4 (1 missing)"

    def test_best_of_each_block_and_ties(self) -> None:
        rows = [row(g, "kl", m) for g, m in [("a1", 2.0), ("b1", 9.0), ("a2", 1.0), ("b2", 9.0)]]
        one = cells(table(rows))
        assert [line[0] for line in one if "**" in line[1]] == ["a2"]
        two = cells(table(rows, blocks={"a1": "a", "b1": "b", "a2": "a", "b2": "b"}))
        assert [line[0] for line in two[1:]] == ["a1", "a2", "b1", "b2"]
        assert [line[0] for line in two if "**" in line[1]] == ["a2", "b1", "b2"]

    @pytest.mark.parametrize("metric", ["kl", "entropy"])
    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_not_finite_is_never_best(self, bad: float, metric: str) -> None:
        body = cells(table([row("a", metric, bad, math.nan), row("b", metric, 5.0)]))
        assert ["**" in line[1] for line in body[1:]] == [False, True]
        assert body[1][1] == str(bad)

    def test_hostile_labels_keep_their_columns(self) -> None:
        text = table([row("a|b*c\nd\\", "kl", 1.0), row("plain", "kl", 2.0)])
        assert r"a\|b\*c d\\" in text
        lines = text.splitlines()
        assert len(lines) == 4
        assert len({len(line) for line in lines}) == 1

    def test_rows_and_metrics_follow_the_caller(self) -> None:
        rows = [row(g, m, 1.0) for g in ("z", "a") for m in ("kl", "jsd", "other")]
        goals = {"jsd": "minimize", "kl": "minimize"}
        text = render(pd.DataFrame(rows), metrics=["jsd", "kl"], goals=goals, fmt="md", caption="")
        assert cells(text)[0] == ["group", f"jsd {DOWN}", f"kl {DOWN}", "n"]
        assert [line[0] for line in cells(text)[1:]] == ["z", "a"]


class TestMarks:
    ROWS = (
        row("a", "kl", 1.0, verdict="best"),
        row("b", "kl", 1.1, verdict=TIED),
        row("c", "kl", 1.2, verdict=TOO_FEW),
        row("d", "kl", 9.0, verdict="worse"),
    )

    def test_what_no_test_tells_from_the_best_is_marked(self) -> None:
        body = [line[1] for line in cells(table(list(self.ROWS)))[1:]]
        assert body == [
            f"**1.00 {PM} 0.10**",
            f"1.10 {PM} 0.10 \u2020",
            f"1.20 {PM} 0.10 \u2021",
            f"9.00 {PM} 0.10",
        ]
        text = table(list(self.ROWS), fmt="tex")
        assert r"    b & $1.10 \pm 0.10$$^\dagger$ & 5" in text
        assert r"    c & $1.20 \pm 0.10$$^\ddagger$ & 5" in text
        assert text.isascii()

    def test_where_nothing_was_tested_the_caption_says_so_alone(self) -> None:
        rows = [self.ROWS[0], self.ROWS[2]]
        assert cells(table(rows))[2][1] == f"1.20 {PM} 0.10"
        few = " n too small for tests (fewer than 3 seeds in common)."
        assert marks_text([r["verdict"] for r in rows]) == few
        assert marks_text(["best", ""]) == ""

    def test_the_caption_explains_the_marks_in_use(self) -> None:
        assert "\u2020: not significantly worse" in marks_text(["best", "worse"])
        assert "\u2021" not in marks_text(["best", TIED])
        assert "\u2021: n too small to tell" in marks_text(["best", TIED, TOO_FEW])


class TestCsv:
    def test_exact_to_the_last_bit(self) -> None:
        values = np.random.default_rng(3).lognormal(size=(4, 3), sigma=20)
        runs = [
            {
                "config_id": f"c{i}",
                "seed": seed,
                "groups": ["g"],
                "status": "finished",
                "run_id": f"{i}{seed}",
                "metric.kl": value,
            }
            for i, line in enumerate(values)
            for seed, value in enumerate(line)
        ]
        chosen = {f"group, {i}": f"c{i}" for i in range(4)}
        summary = summarise(pd.DataFrame(runs), metrics=["kl"], chosen=chosen, seeds=[0, 1, 2])
        goals = {"kl": "minimize"}
        blocks = dict.fromkeys(chosen, "all")
        compared = compare(summary, pd.DataFrame(runs), goals=goals, seeds=[0, 1, 2], blocks=blocks)
        text = render(compared, metrics=["kl"], goals={}, fmt="csv", caption="not here")
        read = list(csv.DictReader(io.StringIO(text)))
        assert tuple(read[0]) == COLUMNS
        for i, line in enumerate(values):
            assert float(read[i]["mean"]) == np.mean(line)
            assert float(read[i]["std"]) == np.std(line, ddof=1)
            assert (read[i]["group"], read[i]["n"]) == (f"group, {i}", "3")

    def test_missing_is_empty(self) -> None:
        rows = [row("a", "kl", math.nan, math.nan, n=0, missing=2) | {"config_id": None}]
        assert table(rows, fmt="csv").splitlines()[1] == "a,,kl,,,0,0,0,2,0,,,,"


TEX_SPECIALS = 'a_b%c&d#e$f{g}h~i^j\\k<l>m|n"o'


class TestLatex:
    def test_numbers(self) -> None:
        rows = [row("a", "kl", 1.2345, 0.1123), row("b", "kl", 3.4e-05, 1.2e-06)]
        text = table(rows, fmt="tex")
        assert r"    a & $1.23 \pm 0.11$ & 5 \\" in text
        assert r"    b & $\mathbf{(3.40 \pm 0.12) \times 10^{-5}}$ & 5 \\" in text
        assert r"kl $\downarrow$" in text
        assert text.isascii()

    def test_escapes(self) -> None:
        text = table([row(TEX_SPECIALS, "hist_kl", 1.0)], fmt="tex", text=f"50% {PM}")
        assert r"a\_b\%c\&d\#e\$f\{g\}h\textasciitilde{}i\textasciicircum{}j" in text
        assert r"\textbackslash{}k\textless{}l\textgreater{}m\textbar{}n" in text
        assert r"hist\_kl" in text
        assert r"\caption{50\% $\pm$}" in text

    def test_rule_between_blocks_only(self) -> None:
        rows = [row(g, "kl", 1.0) for g in ("a", "b", "c")]
        assert table(rows, fmt="tex").count(r"\midrule") == 1
        blocks = {"a": "x", "b": "x", "c": "y"}
        assert table(rows, fmt="tex", blocks=blocks).count(r"\midrule") == 2

    @pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs LaTeX")
    @pytest.mark.parametrize("empty", [False, True])
    def test_compiles(self, tmp_path: Path, empty: bool) -> None:
        rows = [row(TEX_SPECIALS, "hist_kl", 1.0), row("b", "hist_kl", 3.4e-05, 1.2e-06)]
        text = table([] if empty else rows, fmt="tex", text=f"{TEX_SPECIALS} {PM} {DOWN}{UP}")
        head = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
        (tmp_path / "t.tex").write_text(head + text + "\\end{document}\n")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
        answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stdout[-1500:]


class TestChosenTable:
    SETTINGS: Mapping[str, Mapping[str, object]] = {
        "a": {"beta_kl": 0.1 + 0.2, "prior": "mog", "intro_prior": True, "dataset": "rings"},
        "b": {"beta_kl": np.float64(1e-05), "prior": "gaussian", "intro_prior": math.nan},
    }
    CHOSEN: Mapping[str, str | None] = {"a": "a" * 12, "b": "b" * 12, "c": None}
    SEARCHED = ("beta_kl", "prior", "intro_prior", "components")

    def written(self, fmt: str) -> str:
        return chosen_table(self.SETTINGS, chosen=self.CHOSEN, searched=self.SEARCHED, fmt=fmt)

    def test_markdown(self) -> None:
        assert cells(self.written("md")) == [
            ["group", "config_id", "beta_kl", "prior", "intro_prior", "components"],
            ["a", "a" * 12, "0.3", "mog", "true", "-"],
            ["b", "b" * 12, "1e-05", "gaussian", "-", "-"],
            ["c", "-", "-", "-", "-", "-"],
        ]

    def test_csv_is_exact(self) -> None:
        lines = list(csv.reader(io.StringIO(self.written("csv"))))
        assert lines[1][2] == "0.30000000000000004"
        assert lines[2][2] == "1e-05"
        assert "dataset" not in lines[0]

    def test_latex(self) -> None:
        text = self.written("tex")
        assert r"beta\_kl" in text
        assert r"\begin{tabular}{llllll}" in text
        assert r"\caption" not in text

    def test_winner_without_settings(self) -> None:
        with pytest.raises(KeyError):
            chosen_table({}, chosen=self.CHOSEN, searched=[], fmt="md")


class TestCaption:
    def test_says_how_the_numbers_came_about(self) -> None:
        text = caption(
            study="2d-grid",
            metric="hist_kl_paper",
            goal="minimize",
            select_seeds=[0],
            report_seeds=[5, 1, 2, 3, 4],
            verdicts=["best"],
        )
        assert text == (
            f"2d-grid: mean {PM} sample standard deviation (ddof=1) over the n finished runs of "
            "the report seeds (1 to 5). Each row is the configuration with the lowest mean "
            "hist_kl_paper over the select seeds (0). Best mean in bold."
        )

    def test_admits_shared_seeds(self) -> None:
        text = caption(
            study="s",
            metric="m",
            goal="maximize",
            select_seeds=[0, 2],
            report_seeds=[0, 2, 7],
            verdicts=[],
        )
        assert "highest mean m" in text
        assert "(0, 2, 7)" in text
        assert "Seeds used for both (0, 2) favour the chosen configuration." in text


@pytest.mark.parametrize("fmt", ["md", "tex"])
def test_without_a_goal_no_value_is_better(fmt: str) -> None:
    rows = [row("a", "predicted", 1.0), row("b", "predicted", 2.0)]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    text = render(frame, metrics=["predicted"], goals={"predicted": ""}, fmt=fmt, caption="")
    assert "2.0" in text
    for mark in ("**", "mathbf", "\u2191", "\u2193", "arrow"):
        assert mark not in text


def test_bad_input() -> None:
    rows = [row("a", "kl", 1.0)]
    frame = pd.DataFrame(rows)
    with pytest.raises(ConfigError, match="Legal: csv, md, tex"):
        table(rows, fmt="html")
    with pytest.raises(ConfigError, match="did you mean 'tex'"):
        chosen_table({}, chosen={}, searched=[], fmt="text")
    with pytest.raises(ConfigError, match="did you mean 'minimize'"):
        render(frame, metrics=["kl"], goals={"kl": "minimum"}, fmt="md", caption="")
    with pytest.raises(ValueError, match="'jsd'"):
        render(frame, metrics=["jsd"], goals={"jsd": "minimize"}, fmt="md", caption="")
    with pytest.raises(KeyError):
        table(rows, blocks={})


@pytest.mark.parametrize("fmt", FORMATS)
def test_study_without_results(fmt: str) -> None:
    frame = pd.DataFrame(columns=list(COLUMNS))
    text = render(frame, metrics=["kl"], goals={"kl": "minimize"}, fmt=fmt, caption="c")
    assert "group" in text
    assert text.endswith("\n")
