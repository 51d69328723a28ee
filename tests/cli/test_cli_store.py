"""`lmx store` and what people say about models: legible on a phone, safe, and the right calls."""

from collections.abc import Callable

import pytest

from app.cli.outcomes import ExitCode
from tests.cli.runs import Run, Terminal
from tests.fakes.authority_http import FakeAuthority, problem_of
from tests.fakes.store_answers import STORE, used

TRICKS = "\x1b[2J\u202e\u200b"


def test_the_lines_of_the_store_add_up_to_the_whole(lmx: Run, authority: FakeAuthority) -> None:
    ended = lmx("store", "ls")
    assert ended.code == 0
    shown = [line.split("  ")[0].strip() for line in ended.out.splitlines()[1:] if "iB" in line]
    whole = float(ended.out.split("in all")[0].split()[-2])
    sizes = [float(line.split()[0]) for line in ended.out.splitlines()[1:] if "#" in line]
    assert sum(sizes) == whole == 200.0, shown
    assert "93.0 GiB of 400.0 GiB are free" in ended.out


def test_the_largest_model_comes_first_and_bars_are_to_scale(
    lmx: Run, authority: FakeAuthority
) -> None:
    lines = lmx("store", "ls").out.splitlines()
    assert "lab/long-" in lines[1]
    assert (lines[1].count("#"), lines[2].count("#")) == (8, 2)
    assert "(+ 40.0 MiB shared)" in lines[2]
    assert "kept by another program" in lines[1]


def test_the_store_is_legible_at_sixty_columns(
    terminal: Callable[..., Terminal], authority: FakeAuthority
) -> None:
    one = terminal("store", "ls")
    assert one.ended() == 0
    assert max(map(len, one.screen.splitlines())) <= 60
    assert "".join(one.screen.split()).count("long-" * 18) == 1


@pytest.mark.parametrize("models", [0, 1])
def test_an_empty_store_and_one_of_no_size_are_shown(
    lmx: Run, authority: FakeAuthority, models: int
) -> None:
    nothing = {use: used(0) for use in STORE["uses"]}
    rows = [{"id": "a/b", "own": used(0), "shared": used(0), "elsewhere": used(0)}][:models]
    authority.store |= {"models": rows, "uses": nothing, "total": used(0), "shared": used(0)}
    ended = lmx("store", "ls")
    assert ended.code == 0
    assert "#" not in ended.out


def test_names_in_the_store_cannot_drive_the_terminal(lmx: Run, authority: FakeAuthority) -> None:
    row = {"id": f"a{TRICKS}b", "own": used(1), "shared": used(0), "elsewhere": used(0)}
    authority.store |= {"models": [row], "orphans": [f"x{TRICKS}y"]}
    ended = lmx("store", "ls")
    assert "a[2Jb" in ended.out
    assert "x[2Jy" in ended.err
    assert not set(TRICKS) & set("\x1b\u202e\u200b") & set(ended.out + ended.err)


def test_the_trash_tells_until_when(lmx: Run, authority: FakeAuthority) -> None:
    out = lmx("store", "trash").out
    assert "0badcafe" in out
    assert "2026-09-21T14:13:20.000Z" in out
    authority.store |= {"trash": []}
    assert lmx("store", "trash").err == "The trash is empty.\n"


def test_a_model_is_restored_by_entry_or_name(lmx: Run, authority: FakeAuthority) -> None:
    for which in ("0badcafe", "lab/gone"):
        assert lmx("store", "restore", which).code == 0
        assert authority.last("/authority/store/restore").body == {"trash": which}
    authority.problem = problem_of("trash_not_found", "Nothing like that.", 404)
    assert lmx("store", "restore", "x").code == ExitCode.FAILED


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        (("alias", "lmx/starter", "tiny"), ("PUT", "aliases/tiny", None)),
        (("alias", "lmx/starter", "tiny", "--remove"), ("DELETE", "aliases/tiny", None)),
        (("alias", "lmx/starter", "../../keys"), ("PUT", "aliases/../../keys", None)),
        (
            ("alias", "lmx/starter", "tiny", "--then", "a/b", "--then", "a/c"),
            ("PUT", "aliases/tiny", {"then": ["a/b", "a/c"]}),
        ),
        (("set", "lmx/starter", "--context", "64"), ("PUT", "terms", {"context": 64})),
        (
            ("set", "lmx/starter", "--slots", "2", "--idle", "600"),
            ("PUT", "terms", {"slots": 2, "idle_s": 600}),
        ),
        (("set", "lmx/starter", "--idle", "never"), ("PUT", "terms", {"idle_s": 0})),
        (
            ("set", "lmx/starter", "--default"),
            ("PUT", "terms", {"context": None, "slots": None, "idle_s": None}),
        ),
        (
            ("set", "lmx/starter", "--default", "--slots", "2"),
            ("PUT", "terms", {"context": None, "slots": 2, "idle_s": None}),
        ),
        (("pin", "lmx/starter"), ("PUT", "pin", {"pinned": True})),
        (("unpin", "lmx/starter"), ("PUT", "pin", {"pinned": False})),
        (("note", "lmx/starter", "for all"), ("PUT", "note", {"note": "for all"})),
        (("note", "lmx/starter", ""), ("PUT", "note", {"note": ""})),
    ],
)
def test_what_is_said_of_a_model_is_sent_as_it_is(
    lmx: Run, authority: FakeAuthority, command: tuple[str, ...], asked: tuple[str, str, object]
) -> None:
    ended = lmx("models", *command)
    assert ended.code == 0, ended.err
    method, path, body = asked
    last = authority.asked[-1]
    assert (last.method, last.body) == (method, body)
    assert last.path == f"/authority/models/lmx/starter/{path}"
    assert "pinned" in ended.out


@pytest.mark.parametrize(
    "command",
    [
        ("set", "lmx/starter"),
        ("set", "lmx/starter", "--idle", "0"),
        ("set", "lmx/starter", "--idle", "soon"),
        ("set", "lmx/starter", "--idle", "-1"),
        ("set", "lmx/starter", "--idle", "٣"),
        ("set", "lmx/starter", "--slots", "0"),
        ("alias", "lmx/starter", "tiny", "--then", "a/b", "--remove"),
    ],
)
def test_what_says_nothing_or_two_things_is_not_sent(
    lmx: Run, authority: FakeAuthority, command: tuple[str, ...]
) -> None:
    assert lmx("models", *command).code == ExitCode.USAGE
    assert authority.asked == []


def test_a_model_shows_its_terms_and_where_its_aliases_lead(
    lmx: Run, authority: FakeAuthority
) -> None:
    said = {
        "terms": {"context": 64, "slots": None, "idle_s": None},
        "usual": {"context": 64, "slots": 4, "idle_s": 3600},
        "chains": {f"ti{TRICKS}ny": ["a/b", f"lmx/{TRICKS}starter"]},
    }
    authority.models = [authority.models[0] | said]
    out = " ".join(lmx("models", "show", "lmx/starter").out.split())
    assert "terms context 64, slots 4 (default), idle 3600 s (default)" in out
    assert "chains ti[2Jny: a/b, then lmx/[2Jstarter" in out
    never = {"terms": {"idle_s": 0}, "usual": {"context": 64, "slots": 4, "idle_s": 0}}
    authority.models = [authority.models[0] | never]
    assert "idle never\n" in lmx("models", "show", "lmx/starter").out


def test_a_server_that_tells_nothing_of_terms_or_nonsense_is_shown_all_the_same(
    lmx: Run, authority: FakeAuthority
) -> None:
    for told in ({}, {"terms": 7, "usual": [], "chains": ["x"]}, {"chains": {"x": 1}}):
        authority.models = [authority.models[0] | told]
        ended = lmx("models", "show", "lmx/starter")
        assert ended.code == 0
        assert "chains -" in " ".join(ended.out.split())


def test_a_listing_shows_pins_and_notes(lmx: Run, authority: FakeAuthority) -> None:
    authority.models = [authority.models[0] | {"pinned": True, "note": f"keep{TRICKS} it"}]
    out = lmx("models", "ls").out
    assert "pinned" in out
    assert "keep[2J it" in out


CANDIDATES = [
    {
        "name": "org/model",
        "program": "hf",
        "size_bytes": 5 << 30,
        "adopted_as": None,
        "why_not": None,
    },
    {
        "name": f"lab/{TRICKS}gguf",
        "program": "lmstudio",
        "size_bytes": 0,
        "adopted_as": None,
        "why_not": "model.gguf is GGUF, which this release cannot load.",
    },
]


def test_what_could_be_adopted_is_listed_with_why_not(lmx: Run, authority: FakeAuthority) -> None:
    assert "Neither" in lmx("models", "adopt").err
    authority.candidates = CANDIDATES
    out = lmx("models", "adopt").out
    assert "5.0 GiB" in out
    assert "lab/[2Jgguf" in out
    assert "is GGUF" in out
    assert lmx("models", "adopt", "--json").code == 0


@pytest.mark.parametrize(
    ("what", "sent"),
    [("org/model", "org/model"), ("/a/./b/../c", "/a/c"), ("../../keys", None)],
)
def test_a_model_is_adopted_by_name_or_absolute_path(
    lmx: Run, authority: FakeAuthority, what: str, sent: str | None
) -> None:
    ended = lmx("models", "adopt", "hf", what, "--name", "my/model")
    assert ended.code == 0, ended.err
    body = authority.last("/authority/models/adopt").body
    assert (body["program"], body["name"]) == ("hf", "my/model")
    assert body["what"] == sent if sent else body["what"].startswith("/")


@pytest.mark.parametrize("arguments", [("hf",), ("ollama", "x"), ("hf", "a", "b")])
def test_half_an_adoption_is_a_wrong_command_line(
    lmx: Run, authority: FakeAuthority, arguments: tuple[str, ...]
) -> None:
    assert lmx("models", "adopt", *arguments).code == ExitCode.USAGE
    assert authority.asked == []


@pytest.mark.parametrize(
    "arguments", [(), ("--downloads", "--caches"), ("--trash", "a", "--trash-all"), ("--all",)]
)
def test_a_purge_names_one_thing(
    lmx: Run, authority: FakeAuthority, arguments: tuple[str, ...]
) -> None:
    assert lmx("store", "purge", *arguments).code == ExitCode.USAGE
    assert authority.asked == []
