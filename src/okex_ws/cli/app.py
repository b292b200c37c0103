"""The command `okex-ws`: its subcommands, and the conversion of errors to one line and an exit code."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

import okex_ws
from okex_ws.cli import (
    account,
    cancel,
    compact,
    demo,
    doctor,
    export,
    gaps,
    halt,
    order,
    orders,
    plan,
    price,
    query,
    record,
    replay,
    simulate,
    stream,
    verify,
)
from okex_ws.cli.errors import BAD_INPUT, EXIT_CODES, FAILED, INTERRUPTED, OK, BadInputError, RunFailedError
from okex_ws.client.credentials import CredentialsError
from okex_ws.client.sanitize import one_line as escaped
from okex_ws.client.sites import SiteError
from okex_ws.wire.channels import SubscriptionError
from okex_ws.wire.orders import OrderError

# typer carries its own copy of click, older versions use the package: either way this is the base of what it raises.
_UsageError: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

EPILOG = "Exit codes: " + ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."

_RECORDING = (
    ("okex_ws.store.folder", "StoreError"),
    ("okex_ws.journal.errors", "JournalError"),
    ("okex_ws.sinks.sink", "SinkError"),
)

app = typer.Typer(
    name="okex-ws",
    epilog=EPILOG,
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False
) -> None:
    """OKX (formerly OKEx) over its WebSocket: streams, prices, and a simulated exchange to test against."""
    if version:
        print(f"okex-ws {okex_ws.__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())
    else:
        return
    raise typer.Exit(OK)


class _ReaderGoneError(Exception):
    """The reader of stdout has ended. A class of our own, since click turns a BrokenPipeError into exit code 1."""


def _until_reader_leaves(command: Callable[..., int]) -> Callable[..., int]:
    @functools.wraps(command)
    def quiet(*args: Any, **options: Any) -> int:
        try:
            code = command(*args, **options)
            sys.stdout.flush()
            return code
        except BrokenPipeError:
            raise _ReaderGoneError from None

    return quiet


_COMMANDS: tuple[Callable[..., int], ...] = (
    stream.stream,
    price.price,
    account.account,
    orders.orders,
    order.order,
    cancel.cancel,
    halt.halt,
    record.record,
    replay.replay,
    verify.verify,
    gaps.gaps,
    query.query,
    compact.compact,
    export.export,
    simulate.simulate,
    plan.plan,
    doctor.doctor,
    demo.demo,
)
for _command in _COMMANDS:
    app.command(epilog=EPILOG)(_until_reader_leaves(_command))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns its exit code. Only bugs cause a traceback."""
    _open_missing_streams()
    _escape_unencodable()
    command = typer.main.get_command(app)
    try:
        ended = command.main(args=list(arguments), prog_name="okex-ws", standalone_mode=False)
        sys.stdout.flush()
        return ended if isinstance(ended, int) else OK
    except (BrokenPipeError, _ReaderGoneError):
        _discard_stdout()
        return OK
    except (BadInputError, SubscriptionError, SiteError, CredentialsError, OrderError) as error:
        return _say(str(error), BAD_INPUT)
    except _UsageError as error:
        return _say_usage(error)
    except RunFailedError as error:
        return _say(str(error), FAILED)
    except _recording_errors() as error:
        return _say(str(error), FAILED if isinstance(error, _recording_failures()) else BAD_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except OSError as error:  # most often a full disk behind stdout
        _discard_stdout()
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
        return _say(f"{error.filename or 'cannot continue'}: {reason}", FAILED)


def _recording_errors() -> tuple[type[Exception], ...]:
    """Return the errors of recordings and sinks; empty until a command has imported their extras."""
    return tuple(getattr(sys.modules[name], kind) for name, kind in _RECORDING if name in sys.modules)


def _recording_failures() -> tuple[type[Exception], ...]:
    errors = sys.modules.get("okex_ws.journal.errors")
    return (errors.LockedError, errors.StorageFailedError) if errors is not None else ()


def _say(text: str, code: int) -> int:
    with contextlib.suppress(OSError):
        print(f"okex-ws: {escaped(text)}", file=sys.stderr)
    return code


def _say_usage(error: Exception) -> int:
    context = getattr(error, "ctx", None)
    message = str(getattr(error, "format_message", lambda: error)()).replace("\n", " ").rstrip(".")
    if re.match(r"-[\d.]", str(getattr(error, "option_name", ""))):
        message = "a negative number is not valid here"  # click parsed it as an option
    where = f"; see {context.command_path} --help" if context is not None else ""
    return _say(f"{message}{where}", BAD_INPUT)


def _open_missing_streams() -> None:
    """Open a stream that the shell has closed (`>&-`) on /dev/null, so that no socket gets its number."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the life of the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the life of the process


def _escape_unencodable() -> None:
    """Escape characters that the terminal's encoding lacks, instead of raising an error."""
    for out in (sys.stdout, sys.stderr):
        if isinstance(out, io.TextIOWrapper):
            out.reconfigure(errors="backslashreplace")


def _discard_stdout() -> None:
    """Redirect stdout to /dev/null: the reader has ended, and the interpreter flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
