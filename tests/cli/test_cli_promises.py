"""What holds for every command: help, JSON alone on stdout, safe text, a fast start, its page."""

import json
import subprocess
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

import pytest

from app.authority.ledger.events import Stamp, canonical_body
from app.cli import text, version
from app.cli.ledger import canonical_bytes, leaf_hash
from app.cli.tree import COMMANDS as ENTRIES
from app.cli.tree import app
from app.evidence.merkle import leaf_hash as ledgers_leaf_hash
from tests.cli.runs import Run, commands_of, environment, seen_loaded
from tests.fakes.authority_http import MODEL, FakeAuthority, answer_of, event_of
from tests.fakes.events import holding

ROOT = Path(__file__).parents[2]
TRICKS = "\x1b[2J\x07\x9b31m\u202e\u2066\u200b\ufeff\u2028\U000e0041\u3164\x7f"
LISTINGS = [
    "status",
    "models ls",
    "models show lmx/starter",
    "models fit lmx/starter",
    "store ls",
    "store trash",
    "keys ls",
    "rules",
    "runs ls",
    "runs show 7",
    "runs diff 7 9",
    "ledger ls",
    "ledger show 1",
]


COMMANDS = list(commands_of(app))


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_command_has_help(lmx: Run, names: tuple[str, ...]) -> None:
    ended = lmx(*names, "--help")
    assert ended.code == 0
    assert "Usage: lmx" in ended.out


def test_the_command_tree_is_the_one_that_works_now() -> None:
    groups = {
        (),
        ("service",),
        *(
            (name,)
            for name in (
                "models store keys approvals guardrails advice people ledger runs witness backup "
                "config"
            ).split()
        ),
    }
    leaves = {" ".join(n) for n in COMMANDS if n not in groups}
    models = {f"models {m}" for m in "ls show fit import load unload verify".split()}
    models |= {f"models {m}" for m in "adopt alias set pin unpin note pull confirm rm".split()}
    models |= {f"store {m}" for m in "ls trash restore purge".split()}
    assert leaves == models | {
        *("serve", "status", "doctor", "chat", "rules", "completion"),
        *("keys create", "keys ls", "keys recover", "keys revoke", "setup"),
        *(f"people {m}" for m in "ls add erase".split()),
        *(f"service {m}" for m in "install status uninstall remove-state".split()),
        *(f"approvals {m}" for m in "ls show approve reject veto withdraw".split()),
        *(f"approvals {m}" for m in "execute again acts profile".split()),
        *("ledger prune", "ledger recover", "ledger rotate"),
        *(f"ledger {m}" for m in "ls show counts watch reindex report".split()),
        *(f"ledger {m}" for m in "export checkpoint cosigned key verify".split()),
        *(f"runs {m}" for m in "ls show diff".split()),
        *(f"guardrails {m}" for m in "check compile load versions show diff".split()),
        *(f"guardrails {m}" for m in "tasks add activate rebind retire recompile".split()),
        *(f"guardrails {m}" for m in "decisions explain replay".split()),
        *(f"advice {m}" for m in "ls show accept dismiss run advisors".split()),
        *(f"advice {m}" for m in "scorecard replay snapshot".split()),
        *(f"backup {m}" for m in "create verify restore".split()),
        *(f"config {m}" for m in "show check schema reload".split()),
        *(f"witness {m}" for m in "cosign init key log trust".split()),
    }


@pytest.mark.parametrize("command", LISTINGS)
def test_json_is_alone_on_stdout_and_ascii(
    lmx: Run, authority: FakeAuthority, command: str
) -> None:
    authority.events = [event_of(1, subject=TRICKS)]
    authority.models = [MODEL | {"source": TRICKS}]
    authority.runs = lambda _: {"runs": [{"subject": TRICKS}], "next": None, "changes": []}
    ended = lmx(*command.split(), "--json")
    assert (ended.code, ended.err) == (0, "")
    json.loads(ended.out)
    assert all(" " <= c <= "~" or c == "\n" for c in ended.out)


@pytest.mark.parametrize("command", ["models ls --json", "ledger ls --json", "keys ls --json"])
def test_empty_listings_are_json_too(lmx: Run, authority: FakeAuthority, command: str) -> None:
    authority.models = []
    ended = lmx(*command.split())
    assert ended.err == ""
    assert [] in json.loads(ended.out).values()


@pytest.mark.parametrize("command", ["models ls", "models show lmx/starter", "ledger ls"])
def test_text_of_the_server_cannot_drive_the_terminal(
    lmx: Run, authority: FakeAuthority, command: str
) -> None:
    authority.events = [event_of(1, subject=f"a{TRICKS}b")]
    shown = {"source": f"a{TRICKS}b", "trust": f"a{TRICKS}b"}
    authority.models = [MODEL | shown]
    out = lmx(*command.split()).out
    assert "a[2J31mb" in out
    assert text.clean(out, keep="\n") == out


def test_an_answer_of_a_model_cannot_drive_the_terminal(lmx: Run, authority: FakeAuthority) -> None:
    authority.chat = answer_of("a\n\tb", *TRICKS, "c")
    assert lmx("chat", "-m", "Hi").out == "a\n\tb[2J31mc\n"


def test_an_error_cannot_drive_the_terminal(lmx: Run, authority: FakeAuthority) -> None:
    authority.problem = 409, {"detail": f"No{TRICKS}\nand no.", "code": f"x{TRICKS}"}
    assert lmx("status").err == "lmx: No[2J31m and no. [x[2J31m]\n"


def test_the_leaf_is_the_one_that_the_ledger_computes() -> None:
    event = holding({"n": ["é\u2028", 2**53 - 1]})
    body = canonical_body(event, Stamp(3, "e", 1, 2, "b"))
    assert canonical_bytes(json.loads(body)) == body
    assert leaf_hash(body) == ledgers_leaf_hash(body).hex()


def test_the_page_of_commands_is_up_to_date() -> None:
    """Regenerate with: python -m app.cli.reference > docs/cli.md"""
    made = subprocess.run(
        [sys.executable, "-m", "app.cli.reference"],
        capture_output=True,
        env=environment(COLUMNS="60", LMX_URL="http://127.0.0.1:9"),
        check=True,
    )
    assert made.stdout.decode() == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


HEAVY = "httpx rich pydantic app.main fastapi sqlalchemy rfc8785 mlx cryptography jinja2".split()


def test_no_help_of_any_command_loads_http_the_server_or_pydantic() -> None:
    """In one interpreter, one after the other: what any of them loads stays loaded."""
    pages = [[*names, "--help"] for names in COMMANDS]
    probe = (
        f"import io, sys, contextlib; from app.cli.main import main; out = io.StringIO()\n"
        f"for page in {pages!r}:\n with contextlib.redirect_stdout(out): main(page)\n"
        f"print(sorted({HEAVY!r} & sys.modules.keys()), out.getvalue().count('Usage:'))"
    ).replace(repr(HEAVY), f"set({HEAVY!r})")
    ended = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, env=environment(), check=True
    )
    assert (ended.stderr, ended.stdout) == (b"", f"[] {len(COMMANDS)}\n".encode())


@pytest.mark.parametrize(
    ("arguments", "least"),
    [(["--version"], {"typer", "app.cli.output", "re"}), (["--help"], {"app.cli.models"})],
    ids=["version", "help"],
)
def test_what_begins_loads_no_more_than_it_needs(arguments: list[str], least: set[str]) -> None:
    assert seen_loaded(arguments, least) == "set()"


def test_a_wrong_name_is_met_with_a_near_one_at_every_level(lmx: Run) -> None:
    assert "Did you mean 'models'?" in lmx("modls").err
    assert "Did you mean 'show'?" in lmx("models", "shw").err


@pytest.mark.parametrize("name", ENTRIES)
def test_what_is_said_of_a_command_fits_a_narrow_terminal(name: str) -> None:
    said = ENTRIES[name].said
    assert len(said) < 48
    assert said.endswith(".")


def test_the_version_is_printed(lmx: Run) -> None:
    assert lmx("--version").out == f"{version.sentence()}\n"
    assert lmx("--version", "models").out == f"{version.sentence()}\n"


def test_the_version_is_what_the_installation_says() -> None:
    assert version.installed(sys.path) == installed_version("lmx-authority")
    assert version.installed(["/nowhere", "/dev/null"]) == ""


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1 << 30, "1.0 GiB"), (-2048, "-2.0 KiB")],
)
def test_bytes_are_shown_in_binary_units(count: int, shown: str) -> None:
    assert text.size(count) == shown


@pytest.mark.parametrize("value", [None, "", True, "2026", [1, "a"], 10**30, -(10**30), 1.5])
def test_nothing_that_a_server_says_breaks_the_display(value: object) -> None:
    for shown in (text.size, text.exact_bytes, text.utc_time, text.utc_seconds, text.duration):
        assert isinstance(shown(value), str)
