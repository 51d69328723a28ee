"""The notes of an export: how many signatures, whose, and nothing around them."""

from pathlib import Path

import pytest

from app.evidence.notes import sign, verifier_key
from tests.verify_export.exported import (
    KEY,
    LOG,
    STRANGER,
    note_over,
    relist,
    usual_events,
    verify,
)


def signatures(count: int) -> str:
    """The log's own signature behind `count - 1` of keys that nobody knows."""
    note = note_over(usual_events())
    stranger = verifier_key("stranger.example", STRANGER)
    unknown = [sign(note.text, stranger, STRANGER.sign) for _ in range(count - 1)]
    return f"{note.text}\n" + "".join(f"{line}\n" for line in (*unknown, *note.signatures))


def test_sixteen_signatures_are_read_and_unknown_ones_ignored(export: Path) -> None:
    (export / "checkpoint").write_text(signatures(16), "utf-8")
    relist(export)
    assert verify(export).code == 0


@pytest.mark.parametrize(
    ("note", "why"),
    [
        (signatures(17), "17 signatures"),
        (signatures(1) + "x", "nothing after those"),
        (signatures(1) + "\n", "nothing after those"),
        (signatures(1) + "x\n", "em dash"),
        (signatures(1).replace("\u2014", "-"), "em dash"),
        (signatures(1).replace("600\n", "0600\n"), "malformed"),
        (signatures(1).replace("600\n", "601\n"), "does not hold"),
        (signatures(1).replace("600\n", "6\x0000\n"), "control characters"),
        (signatures(1).replace("test\n", "other\n", 1), "does not hold"),
        (
            str(note_over(usual_events(), (verifier_key("a.example", STRANGER), STRANGER))),
            "no known",
        ),
        (str(note_over(usual_events(), (verifier_key(KEY.name, STRANGER), STRANGER))), "no known"),
    ],
)
def test_notes_that_are_not_the_logs_are_refused(export: Path, note: str, why: str) -> None:
    (export / "checkpoint").write_text(note, "utf-8")
    relist(export)
    ended = verify(export)
    assert (ended.code, why in ended.said) == (1, True), ended.said


def test_a_bad_signature_of_a_known_key_spoils_the_note(export: Path) -> None:
    """Also where the same key's good one stands beside it."""
    note = note_over(usual_events())
    bad = sign(note.text + "x", KEY, LOG.sign)
    (export / "checkpoint").write_text(str(note.add(bad)), "utf-8")
    relist(export)
    ended = verify(export)
    assert (ended.code, "does not hold" in ended.said) == (1, True)
