"""Where `lmx` begins. What needs no command tree is answered before one is loaded."""

import sys


def main(arguments: list[str] | tuple[str, ...] | None = None) -> int:
    """Run one command; the exit codes are in `outcomes`. The commands are listed in `tree`."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given == ["--version"] and sys.stdout is not None:
        return _say_version()
    if given[:1] == ["__complete"]:
        from app.cli.completing import complete

        return complete(given[1:])
    from app.cli.running import run

    return run(given)


def _say_version() -> int:
    from app.cli.version import sentence

    try:
        sys.stdout.write(sentence() + "\n")
        sys.stdout.flush()
    except OSError:
        sys.stdout = None  # whoever read it went away: Python's own flush has nothing to say
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
