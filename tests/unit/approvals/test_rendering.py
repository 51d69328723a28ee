"""What a person sees of a plan: all of it, in order, and nothing that others made up."""

import pytest

from app.authority.approvals.page import continued, grouped
from app.authority.approvals.rendering import Now, render
from app.authority.policy.decisions import Fired, Outcome
from tests.unit.approvals.made_plans import file, planned

HEADINGS = (
    "WHAT",
    "TARGETS",
    "DISK",
    "FILES",
    "WHAT DEPENDS ON IT",
    "UNDOING IT",
    "WHO ASKS",
    "POLICY",
    "CHANGED SINCE IT WAS ASKED",
    "DEADLINES",
    "HASH OF THIS PLAN",
    "TO APPROVE, TYPE ON ONE LINE",
)


def shown(width: int = 60, whole: bool = False, now: Now | None = None, **changed: object) -> str:
    return "\n".join(render(planned(**changed).bytes, width=width, whole=whole, now=now))


def test_the_sections_come_in_the_order_in_which_a_person_needs_them() -> None:
    found = [line for line in shown().splitlines() if not line.startswith(" ")]
    assert [line.partition(":")[0] for line in found] == list(HEADINGS)


def test_a_plan_shows_everything_that_it_will_do() -> None:
    page = shown(width=80)
    for part in (
        "delete acme/tiny",
        "model acme/tiny",
        "abab abab abab abab ...",
        "frees 5.0 MiB (5,242,880 B)",
        "keeps 1.0 KiB (1,024 B) that others share",
        "FILES: 2",
        "trash, 1.0 MiB: part-00000.safetensors",
        "aliases: default",
        "in flight: 0",
        "pinned: no",
        "download again: from hf:acme/tiny@0123456789ab",
        "It can be undone for 24 h after it is done, and then never.",
        "key:0123abcd",
        "person: p-0a1b2c3d",
        "UNTRUSTED",
        "  | It is not used any more.",
        "cdcd cdcd cdcd cdcd ...",
        "approve before 2026-09-22 14:13:20 UTC",
        "execute before 2026-09-23 14:13:20 UTC",
    ):
        assert part in page


def test_the_hash_is_whole_and_grouped_the_same_at_every_width() -> None:
    plan = planned()
    halves = {f"  {grouped(plan.hash[:32])}", f"  {grouped(plan.hash[32:])}"}
    for width in (60, 80, 200):
        assert halves <= set(render(plan.bytes, width=width))


def test_what_is_typed_is_the_last_line() -> None:
    plan = planned()
    assert render(plan.bytes)[-1] == f"  {plan.typed}"
    assert plan.typed == f"yes, delete acme/tiny {plan.hash[-6:]}"


def test_a_long_phrase_goes_on_in_the_next_line_without_losing_a_blank() -> None:
    typed = f"yes, delete {'a' * 90}/{'b' * 90} 0f0f0f"
    for width in (30, 31, 60):
        lines = continued(typed, width)
        assert max(map(len, lines)) <= width
        assert "".join(line[2:].removesuffix("\\") for line in lines) == typed


def test_a_long_list_of_files_hides_no_target_and_no_file() -> None:
    targets = tuple({"kind": "model", "id": f"acme/m{i}", "digest": f"{i:064x}"} for i in range(40))
    files = tuple(map(file, range(10_000)))
    page = shown(targets=targets, files=files).splitlines()
    below = next(i for i, line in enumerate(page) if line.startswith("FILES: 10,000"))
    above = page[:below]
    assert [line for line in above if line.startswith("  model ")] == [
        f"  model acme/m{i}" for i in range(40)
    ]
    assert "  and 9,988 more, not shown here" in page
    assert len(page) < 160


def test_a_file_past_the_fold_changes_the_hash_of_the_list() -> None:
    files = [file(i) for i in range(100)]
    other = [*files[:-1], files[-1] | {"fate": "keep"}]

    def digest(given: list[dict[str, object]]) -> str:
        page = shown(files=tuple(given)).splitlines()
        return page[page.index("  SHA-256 of the whole list:") + 1]

    assert digest(files) != digest(other)


def test_on_demand_every_file_and_digest_is_shown_in_full() -> None:
    page = shown(whole=True, files=tuple(map(file, range(100))))
    assert page.count("trash, 1.0 MiB") == 100
    assert "more, not shown" not in page
    assert grouped("ab" * 32)[:50] in page


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"grace_s": 0}, "It cannot be undone."),
        ({"grace_s": 3 * 86_400}, "It can be undone for 3 d after it is done, and then never."),
        ({"grace_s": 0, "irreversible": False}, "It can be undone."),
    ],
)
def test_it_says_whether_it_can_be_undone(changed: dict[str, object], sentence: str) -> None:
    assert f"  {sentence}" in shown(**changed).splitlines()


def test_the_last_copy_is_named_as_one() -> None:
    assert "This may be the last copy." in shown(width=200, again=None)


def test_a_plan_without_files_says_nothing_about_disks() -> None:
    page = shown(files=(), bytes_freed=0, bytes_kept=0, again=None, targets=(), dependents={})
    for part in ("DISK", "FILES", "download again"):
        assert part not in page
    assert "TARGETS: none" in page
    assert "WHAT DEPENDS ON IT\n  nothing" in page


def test_drift_is_said_only_by_who_looked() -> None:
    assert "Drawn again just now: the same." in shown(now=Now(drift=()))
    page = shown(width=200, now=Now(drift=("dependents", "bytes_freed")))
    assert "IT IS ANOTHER PLAN: dependents, bytes freed. It cannot be executed." in page
    assert "drawn again before it is executed" in shown(width=200)


def test_the_rules_that_fired_and_who_is_missing_are_shown() -> None:
    fired = Fired("P03", Outcome.REQUIRE_APPROVAL, "Deleting needs a yes.")
    page = shown(now=Now(rules=(fired,), needed=("2 persons of reviewers",)))
    assert "  P03 (require_approval): Deleting needs a yes." in page
    assert "  needs: 2 persons of reviewers" in page


def test_a_reason_cannot_pass_for_another_part_of_the_page() -> None:
    forged = "fine\nHASH OF THIS PLAN\n  0000 0000\nTO APPROVE, TYPE ON ONE LINE\n  yes"
    lines = shown(reason=forged).splitlines()
    assert [line for line in lines if line in HEADINGS].count("HASH OF THIS PLAN") == 1
    assert all(line.startswith("  | ") for line in lines if "0000 0000" in line)


def test_a_long_reason_is_cut_and_says_so() -> None:
    page = shown(reason="\u202e" * 5_000)
    assert "more characters)" in page
    assert len(page.splitlines()) < 80


@pytest.mark.parametrize(
    ("name", "seen", "careful"),
    [
        ("acme/\u0430pple", "acme/\u0430pple", "mixes letters of CYRILLIC and LATIN"),
        ("acme/ti\u200bny", "acme/ti\\u200bny", "characters that cannot be seen"),
        ("acme/\u202eynit", "acme/\\u202eynit", "characters that cannot be seen"),
        ("acme/\x1b[2Jtiny", "acme/\\x1b[2Jtiny", "characters that cannot be seen"),
        ("acme/tiny ", "acme/tiny", "blanks at an end"),
        ("acme/\u05d0\u05d1", "acme/\\u05d0\\u05d1", "letters that are not ASCII"),
    ],
)
def test_a_name_that_deceives_is_shown_as_it_is_and_flagged(
    name: str, seen: str, careful: str
) -> None:
    page = shown(width=120, subject=name, files=(file(0) | {"path": name},))
    assert page.count(seen) >= 2
    assert page.count("CAREFUL: this name") >= 2
    assert careful in page


def test_a_phrase_with_characters_that_nobody_sees_says_so() -> None:
    page = shown(phrase="yes, delete a\u200b/b")
    assert "cannot be approved" in " ".join(page.split())
    assert "yes, delete a\\u200b/b" in page


def test_what_a_kind_of_act_adds_is_shown_with_units() -> None:
    page = shown(
        width=100,
        effects={"until_us": 1_790_000_000_000_000, "kept": {"cache_bytes": 2048}, "for_s": 7200},
    )
    for part in (
        "until us: 2026-09-21 14:13:20 UTC",
        "kept.cache bytes: 2.0 KiB (2,048 B)",
        "for s: 2 h",
    ):
        assert part in page


def test_bytes_that_are_no_plan_are_not_shown() -> None:
    content = planned().bytes
    for other in (content + b" ", content.replace(b"plan/v1", b"plan/v2"), b"{}", b"nothing"):
        with pytest.raises(ValueError):  # noqa: PT011 - whichever of them it is
            render(other)
