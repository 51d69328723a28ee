"""The one place where a command's end becomes an exit code and a sentence."""

import os
import sys
from collections.abc import Sequence
from typing import Final

from app.cli import output
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import one_line
from app.cli.tree import app

_INTERRUPTED: Final = 130  # what the command-line library exits with after Ctrl-C


def run(arguments: Sequence[str]) -> int:
    output.prepare_streams()
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        output.reader_went_away()
        return ExitCode.FAILED
    except OSError as error:
        output.reader_went_away()
        return _end(f"This machine refused a step: {error}.", ExitCode.FAILED)
    return code


def _run(arguments: Sequence[str]) -> int:
    try:
        app(args=list(arguments), prog_name="lmx")
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            return _end(*_explained(KeyboardInterrupt()))
        return end.code if isinstance(end.code, int) else ExitCode.DONE
    except OSError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("LMX_TRACEBACK") and not isinstance(error, CommandError):
            raise
        code = _end(*_explained(error))
        if isinstance(error, CommandError):
            output.note_list(error.hints)
        return code
    return ExitCode.DONE


def _explained(error: BaseException) -> tuple[str, ExitCode]:
    match error:
        case CommandError():
            return error.sentence, error.exit_code
        case KeyboardInterrupt():
            return "Interrupted.", ExitCode.FAILED
        case UnicodeError():
            return "What was given is not valid UTF-8. Nothing was sent.", ExitCode.USAGE
        case _:
            what = f"{type(error).__name__}: {one_line(error)}"
            advice = "Run it with LMX_TRACEBACK=1 to see where, and report it."
            return (
                f"This is a fault in lmx, not in what you did ({what}). {advice}",
                ExitCode.FAILED,
            )


def _end(sentence: str, code: ExitCode) -> ExitCode:
    output.note_wrapped(f"lmx: {sentence}")
    return code
