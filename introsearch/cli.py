"""The command line: `introsearch COMMAND`.

COMMAND is run, plan, check, report, status, logs, replay, ui, schema, bench or collapse.
"""

from __future__ import annotations

import argparse
import errno
import gc
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from introsearch import __version__
from introsearch.commands.arguments import COMMANDS, Command
from introsearch.commands.options import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_SOME_FAILED,
)
from introsearch.errors import ConfigError, IntrosearchError

_MACHINE_FAULTS = {  # what is wrong with a disk rather than here
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
    words = sys.argv[1:] if arguments is None else arguments
    options = _parser(words).parse_args(words)
    try:
        return _run(options)
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
        if error.errno not in _MACHINE_FAULTS:
            raise
        place = f"{error.filename}: " if error.filename else ""
        hint = "once that is mended, the same command continues"
        print(f"error: {place}{error.strerror}\n  hint: {hint}", file=sys.stderr)
        return EXIT_SOME_FAILED


def _run(options: argparse.Namespace) -> int:
    """Import the command's module, once its options are known to be sound, and run it."""
    command: Command = options.command
    command.check(options)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it takes time to look for any
    gc.disable()  # what is imported stays: looking for garbage among it takes time too
    module = import_module(f"introsearch.commands.{command.name}")
    gc.freeze()
    gc.enable()
    return int(module.run(options))


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """A parser that knows all commands, and what those take that are among the words."""
    parser = argparse.ArgumentParser(
        prog="introsearch",
        description="Hyper-parameter search for introspective VAEs and learned latent priors.",
    )
    parser.add_argument("--version", action="version", version=f"introsearch {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        added = commands.add_parser(
            command.name, help=command.help, description=command.description
        )
        added.set_defaults(command=command)
        if command.name in words:  # every start would take longer with every command
            command.add_arguments(added)
    return parser
