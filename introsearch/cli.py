"""The command line: `introsearch run | plan | report | status | replay | ui | bench | collapse`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from introsearch import __version__
from introsearch.commands.bench import add_bench
from introsearch.commands.collapse import add_collapse
from introsearch.commands.options import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_SOME_FAILED,
)
from introsearch.commands.plan import add_plan
from introsearch.commands.records import add_replay, add_report, add_status, add_ui
from introsearch.commands.run import add_run
from introsearch.commands.schema import add_schema
from introsearch.errors import ConfigError, IntrosearchError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done; 1 some trials failed; 2 bad input, nothing was started; 130 interrupted, the same
    command continues.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except IntrosearchError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_SOME_FAILED
    except KeyboardInterrupt:
        print("interrupted: the same command continues", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_SOME_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="introsearch",
        description="Hyper-parameter search for introspective VAEs and learned latent priors.",
    )
    parser.add_argument("--version", action="version", version=f"introsearch {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    for add in (
        add_run, add_plan, add_report, add_status, add_replay, add_ui, add_schema, add_bench,
        add_collapse,
    ):  # fmt: skip
        add(commands)
    return parser
