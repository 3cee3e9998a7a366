"""A study's report as a folder of files."""

from __future__ import annotations

from pathlib import Path

from introsearch.errors import ConfigError
from introsearch.files import write_atomically
from introsearch.results.report.contents import StudyReport
from introsearch.results.report.html import render_html
from introsearch.results.tables.formats import FORMATS


def write_report(
    report: StudyReport, folder: Path, *, store_options: str = "", runs_url: str = ""
) -> None:
    """Write ``index.html``, and tables and figures as files of their own.

    Tables are ``table.*`` and ``chosen.*`` as Markdown, CSV and LaTeX; figures are PNG and PDF.
    Files of an earlier report are replaced.

    Args:
        report: as returned by `results.report.contents.make_report`.
        folder: made if missing.
        store_options: see `html.render_html`.
        runs_url: see `html.render_html`.

    Raises:
        ConfigError: the folder cannot be written to.
    """
    page = render_html(report, store_options=store_options, runs_url=runs_url)
    files = {"index.html": page.encode()}
    for fmt in FORMATS:
        files[f"table.{fmt}"] = report.result.table(fmt).encode()
        files[f"chosen.{fmt}"] = report.result.chosen_table(fmt).encode()
    for figure in report.figures:
        files |= {f"{figure.name}.png": figure.png, f"{figure.name}.pdf": figure.pdf}
    try:
        for name, data in files.items():
            write_atomically(folder / name, data)
    except OSError as error:
        raise ConfigError(f"cannot write the report to {folder}: {error}", key="--out") from error
