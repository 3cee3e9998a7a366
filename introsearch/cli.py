"""The command line: `introsearch run | plan | report | status | replay | ui | bench | collapse`."""

from __future__ import annotations

import argparse
import errno
import io
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

MACHINE_FAULTS = {  # what is wrong with a disk rather than here
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE,
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done; 1 some trials failed; 2 bad input, nothing was started; 130 interrupted, the same
    command continues.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal need not know all characters
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
    except OSError as error:
        if error.errno not in MACHINE_FAULTS:
            raise
        place = f"{error.filename}: " if error.filename else ""
        hint = "once that is mended, the same command continues"
        print(f"error: {place}{error.strerror}\n  hint: {hint}", file=sys.stderr)
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
