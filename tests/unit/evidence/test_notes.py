"""Signed notes hold to C2SP's specification, and to nothing that only looks like it."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app.evidence import notes
from app.evidence.notes import Note, NoteInvalid, Signature, VerifierKey, sign, verifier_key

# c2sp.org/signed-note, "Example".
SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n"
    "\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXm"
    "RKuwHjG1Yu72IneyaQM=\n"
)
TEXT = "one line\n"


def _private(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


PRIVATE = _private(1)
KEY = verifier_key("log.example/a", PRIVATE)
SIGNATURE = sign(TEXT, KEY, PRIVATE.sign)
NOTE = Note(TEXT, (SIGNATURE,))


def _other(number: int) -> Signature:
    private = _private(number)
    return sign(TEXT, verifier_key(f"other.example/{number}", private), private.sign)


def test_the_specifications_example_verifies() -> None:
    key = VerifierKey.parse(SPEC_KEY)
    note = Note.parse(SPEC_NOTE)
    assert (str(key), str(note)) == (SPEC_KEY, SPEC_NOTE)
    assert key.id.hex() == "530d903a"
    assert note.verify([key]) == (key,)
    assert Note.parse(SPEC_NOTE.encode()) == note


def test_the_key_id_is_the_one_that_is_specified() -> None:
    typed = b"log.example/a\n\x01" + KEY.public
    assert KEY.id == hashlib.sha256(typed).digest()[:4]
    assert verifier_key("log.example/a", PRIVATE, notes.COSIGNATURE).id != KEY.id


def test_text_may_hold_empty_lines_and_ends_at_the_last_one() -> None:
    text = "Ognuno sta solo\n\n\ned è subito sera.\n"
    note = Note(text, (sign(text, KEY, PRIVATE.sign),))
    assert Note.parse(str(note)) == note
    assert Note.parse(str(note)).verify([KEY]) == (KEY,)
    # What looks like a signature inside the text vouches for nothing.
    nested = str(note) + "\n" + str(_other(2)) + "\n"
    with pytest.raises(NoteInvalid, match="no key that is known"):
        Note.parse(nested).verify([KEY])


def test_an_unknown_key_is_ignored_and_alone_vouches_for_nothing() -> None:
    assert NOTE.add(_other(2)).verify([KEY]) == (KEY,)
    with pytest.raises(NoteInvalid, match="no key that is known"):
        Note(TEXT, (_other(2),)).verify([KEY])
    with pytest.raises(NoteInvalid, match="no key that is known"):
        NOTE.verify([])


def test_a_known_key_with_a_bad_signature_spoils_the_whole_note() -> None:
    good = _other(2)
    known = verifier_key("other.example/2", _private(2))
    for raw in (SIGNATURE.raw[:-1] + b"\0", SIGNATURE.raw[:-1], SIGNATURE.raw + b"\0", b"x"):
        bad = Signature(KEY.name, KEY.id, raw)
        with pytest.raises(NoteInvalid, match="does not hold"):
            Note(TEXT, (good, bad)).verify([KEY, known])
        # Even beside a good one of the same key: a note is not picked through for what suits.
        with pytest.raises(NoteInvalid, match="does not hold"):
            Note(TEXT, (SIGNATURE, bad)).verify([KEY])


def test_the_wrong_key_under_the_right_name_is_unknown() -> None:
    """Name and id together name a key: another key of that name has another id."""
    impostor = _private(3)
    forged = sign(TEXT, verifier_key(KEY.name, impostor), impostor.sign)
    with pytest.raises(NoteInvalid, match="no key that is known"):
        Note(TEXT, (forged,)).verify([KEY])


def test_a_key_id_under_another_name_is_unknown() -> None:
    stranger = Signature("other.example/b", KEY.id, b"x" * 64)
    assert NOTE.add(stranger).verify([KEY]) == (KEY,)
    with pytest.raises(NoteInvalid, match="no key that is known"):
        Note(TEXT, (stranger,)).verify([KEY])


def test_a_collision_of_name_and_id_ends_in_a_signature_that_does_not_hold() -> None:
    impostor = Signature(KEY.name, KEY.id, _private(3).sign(TEXT.encode()))
    with pytest.raises(NoteInvalid, match="does not hold"):
        Note(TEXT, (impostor,)).verify([KEY])


def test_another_text_is_not_signed() -> None:
    with pytest.raises(NoteInvalid, match="does not hold"):
        Note("another line\n", (SIGNATURE,)).verify([KEY])


def test_sixteen_signatures_are_read_and_seventeen_are_not() -> None:
    sixteen = NOTE.add(*(_other(number) for number in range(2, 17)))
    assert Note.parse(str(sixteen)).verify([KEY]) == (KEY,)
    with pytest.raises(NoteInvalid, match="at most 16"):
        Note.parse(str(sixteen.add(_other(17))))


def _line(**parts: str) -> str:
    whole = {"mark": "— ", "name": KEY.name, "space": " ", "end": "\n"}
    whole["base64"] = base64.b64encode(KEY.id + SIGNATURE.raw).decode()
    whole |= parts
    return "".join(whole[part] for part in ("mark", "name", "space", "base64", "end"))


_ENCODED = base64.b64encode(KEY.id + SIGNATURE.raw).decode()
_URL_SAFE = base64.urlsafe_b64encode(b"?>" * 35).decode()
MALFORMED = {
    "empty": "",
    "no signatures": TEXT,
    "no signature lines": f"{TEXT}\n",
    "an empty signature line": f"{TEXT}\n\n",
    "no blank line": TEXT + _line(),
    "no text": "\n" + _line(),
    "no final newline": f"{TEXT}\n{_line(end='')}",
    "trailing text": f"{NOTE}x",
    "trailing newline": f"{NOTE}\n",
    "trailing space": f"{TEXT}\n{_line(end=' ' + chr(10))}",
    "trailing NUL": f"{NOTE}\0",
    "CRLF": str(NOTE).replace("\n", "\r\n"),
    "CRLF at one line's end": f"{TEXT}\n{_line(end=chr(13) + chr(10))}",
    "a tab in the text": f"one\tline\n\n{_line()}",
    "NUL in the text": f"one\0line\n\n{_line()}",
    "an escape in the text": f"one\x1bline\n\n{_line()}",
    "NUL in the name": f"{TEXT}\n{_line(name='log.example/a' + chr(0))}",
    "a newline in the name": f"{TEXT}\n{_line(name='log.example/' + chr(10) + 'a')}",
    "a plus in the name": f"{TEXT}\n{_line(name='log.example+a')}",
    "a space in the name": f"{TEXT}\n{_line(name='log.example a')}",
    "a Unicode space in the name": f"{TEXT}\n{_line(name='log.example' + chr(0x2003) + 'a')}",
    "no name": f"{TEXT}\n{_line(name='')}",
    "a hyphen for the dash": f"{TEXT}\n{_line(mark='- ')}",
    "no mark": f"{TEXT}\n{_line(mark='')}",
    "two spaces": f"{TEXT}\n{_line(space='  ')}",
    "no signature": f"{TEXT}\n{_line(base64='')}",
    "only a key id": f"{TEXT}\n{_line(base64=base64.b64encode(KEY.id).decode())}",
    "base64 without its padding": f"{TEXT}\n{_line(base64=_ENCODED.rstrip('='))}",
    "base64 with stray bits": f"{TEXT}\n{_line(base64=_ENCODED[:-2] + 'B=')}",
    "base64 for addresses": f"{TEXT}\n{_line(base64=_URL_SAFE)}",
    "base64 with a break": f"{TEXT}\n{_line(base64=_ENCODED[:8] + chr(10) + _ENCODED[8:])}",
    "letters that are not ASCII": f"{TEXT}\n{_line(base64='é' + _ENCODED[1:])}",
    "half a character": f"one \ud800 line\n\n{_line()}",
}


@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_a_note_to_the_last_byte_is_refused(malformed: str) -> None:
    assert Note.parse(f"{TEXT}\n{_line()}") == NOTE
    with pytest.raises(NoteInvalid):
        Note.parse(malformed)
    with pytest.raises(NoteInvalid):
        Note.parse(malformed.encode("utf-8", "surrogatepass"))


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(NoteInvalid, match="UTF-8"):
        Note.parse(b"\xff" + str(NOTE).encode())


@pytest.mark.parametrize("letter", ["x", "é"])
def test_the_limit_counts_bytes(letter: str) -> None:
    size = notes.MAX_NOTE_BYTES - len(f"\n\n{_line()}".encode())
    text = letter * (size // len(letter.encode()))
    text += "x" * (size - len(text.encode()))
    whole = f"{text}\n\n{_line()}"
    assert len(whole.encode()) == notes.MAX_NOTE_BYTES
    assert Note.parse(whole) == Note.parse(whole.encode())
    for longer in (f"x{whole}", f"x{whole}".encode()):
        with pytest.raises(NoteInvalid, match="65536 bytes"):
            Note.parse(longer)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8")))
def test_any_bytes_are_a_note_that_reads_back_or_are_refused(encoded: bytes) -> None:
    try:
        note = Note.parse(encoded)
    except NoteInvalid:
        return
    assert str(note).encode() == encoded


@given(st.integers(0, len(str(NOTE).encode()) * 8 - 1))
def test_one_flipped_bit_leaves_nothing_that_this_key_signed(bit: int) -> None:
    flipped = bytearray(str(NOTE).encode())
    flipped[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(NoteInvalid):
        Note.parse(bytes(flipped)).verify([KEY])


_LONG = base64.b64encode(bytes([1, *KEY.public, 0])).decode()
BAD_KEYS = {
    "empty": "",
    "no parts": "log.example/a",
    "two parts": f"{KEY.name}+{KEY.id.hex()}",
    "another id": str(KEY).replace(KEY.id.hex(), "00000000"),
    "an id in capitals": str(KEY).replace(KEY.id.hex(), KEY.id.hex().upper() + "F"),
    "no name": str(KEY).removeprefix(KEY.name),
    "a space in the name": f"log {KEY}",
    "an unknown type": f"{KEY.name}+{KEY.id.hex()}+{base64.b64encode(b'?' + KEY.public).decode()}",
    "a short key": f"{KEY.name}+{KEY.id.hex()}+{base64.b64encode(KEY.public[:-1]).decode()}",
    "a long key": f"{KEY.name}+{KEY.id.hex()}+{_LONG}",
    "no material": f"{KEY.name}+{KEY.id.hex()}+",
    "not base64": f"{KEY.name}+{KEY.id.hex()}+!!!!",
    "letters that are not ASCII": f"{KEY.name}+{KEY.id.hex()}+é",
    "half a character": f"\ud800{KEY}",
    "a newline in it": str(KEY).replace("+", "\n+", 1),
    "an invisible character in the name": f"\u200b{KEY}",
}


@pytest.mark.parametrize("text", BAD_KEYS.values(), ids=BAD_KEYS)
def test_what_is_not_a_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        VerifierKey.parse(text)


def test_a_verifier_key_reads_back_with_blanks_around_it() -> None:
    assert VerifierKey.parse(f" {KEY}\n") == KEY


def test_every_key_has_its_own_fingerprint() -> None:
    groups = KEY.fingerprint.split(" ")
    assert [len(group) for group in groups] == [4] * 16
    assert "".join(groups) == hashlib.sha256(str(KEY).encode()).hexdigest()


def test_a_witnesss_key_signs_no_text_by_itself() -> None:
    with pytest.raises(NoteInvalid, match="only an Ed25519 key"):
        sign(TEXT, verifier_key("w", PRIVATE, notes.COSIGNATURE), PRIVATE.sign)
