"""Checkpoints, cosignatures and bundles hold to C2SP's specifications."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app.evidence.checkpoints import (
    MAX_PROOF,
    Bundle,
    Checkpoint,
    CheckpointInvalid,
    SignedCheckpoint,
    cosign,
    cosigned_at,
    signed,
)
from app.evidence.notes import COSIGNATURE, Note, NoteInvalid, Signature, verifier_key

# c2sp.org/tlog-cosignature and tlog-witness; the keys behind them are not published.
SPEC_NOTE = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/\
Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJs\
X3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""
SPEC_BUNDLE = f"""\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

{SPEC_NOTE}"""
ORIGIN = "lmx-authority/abc"
ROOT = bytes(range(32))
ROOT_LINE = base64.b64encode(ROOT).decode()
LOG = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
LOG_KEY = verifier_key(ORIGIN, LOG)
WITNESS = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
WITNESS_KEY = verifier_key("witness.example/w1", WITNESS, COSIGNATURE)
CHECKPOINT = Checkpoint(ORIGIN, 7, ROOT)
NOTE = signed(CHECKPOINT, (LOG_KEY, LOG.sign))


def test_the_specifications_example_is_read() -> None:
    note = Note.parse(SPEC_NOTE)
    found = Checkpoint.parse(note.text)
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
    assert found.text() == note.text
    cosignature = note.signatures[1]
    assert cosignature.key_id.hex() == "8d66cf3f"
    assert int.from_bytes(cosignature.raw[:8], "big") == 1679315147
    assert len(cosignature.raw) == 72


def test_the_specifications_bundle_is_read() -> None:
    bundle = Bundle.parse(SPEC_BUNDLE)
    assert (bundle.old, len(bundle.proof)) == (20852014, 4)
    assert str(bundle) == SPEC_BUNDLE
    assert Bundle.parse(SPEC_BUNDLE.encode()) == bundle


def test_the_cosigned_message_is_the_one_that_is_specified() -> None:
    given_to_the_key: list[bytes] = []

    def signing(message: bytes) -> bytes:
        given_to_the_key.append(message)
        return WITNESS.sign(message)

    signature = cosign(NOTE, WITNESS_KEY, signing, time_s=1679315147)
    head = b"cosignature/v1\ntime 1679315147\n"
    assert given_to_the_key == [head + NOTE.text.encode()]
    assert signature.raw[:8] == (1679315147).to_bytes(8, "big")
    assert cosigned_at(NOTE.add(signature), WITNESS_KEY) == 1679315147


@pytest.mark.parametrize("size", ["0", "1", "20852163", str(2**63 - 1)])
def test_sizes_are_read(size: str) -> None:
    assert Checkpoint.parse(f"{ORIGIN}\n{size}\n{ROOT_LINE}\n").size == int(size)


BAD_TEXTS = {
    "a leading zero": f"{ORIGIN}\n07\n{ROOT_LINE}\n",
    "two zeroes": f"{ORIGIN}\n00\n{ROOT_LINE}\n",
    "a negative size": f"{ORIGIN}\n-7\n{ROOT_LINE}\n",
    "a plus": f"{ORIGIN}\n+7\n{ROOT_LINE}\n",
    "a fraction": f"{ORIGIN}\n7.0\n{ROOT_LINE}\n",
    "an underscore": f"{ORIGIN}\n1_0\n{ROOT_LINE}\n",
    "digits that are not ASCII": f"{ORIGIN}\n٧\n{ROOT_LINE}\n",
    "2^63": f"{ORIGIN}\n{2**63}\n{ROOT_LINE}\n",
    "2^64": f"{ORIGIN}\n{2**64}\n{ROOT_LINE}\n",
    "5000 digits": f"{ORIGIN}\n{'9' * 5000}\n{ROOT_LINE}\n",
    "a blank after the size": f"{ORIGIN}\n7 \n{ROOT_LINE}\n",
    "no size": f"{ORIGIN}\n\n{ROOT_LINE}\n",
    "no origin": f"\n7\n{ROOT_LINE}\n",
    "a newline in the origin": f"lmx\nauthority\n7\n{ROOT_LINE}\n",
    "an extension line": f"{ORIGIN}\n7\n{ROOT_LINE}\nmore\n",
    "an empty extension line": f"{ORIGIN}\n7\n{ROOT_LINE}\n\n",
    "no final newline": f"{ORIGIN}\n7\n{ROOT_LINE}",
    "no root": f"{ORIGIN}\n7\n",
    "a root of 31 bytes": f"{ORIGIN}\n7\n{base64.b64encode(ROOT[:31]).decode()}\n",
    "a root of 33 bytes": f"{ORIGIN}\n7\n{base64.b64encode(ROOT + b'x').decode()}\n",
    "a root in hex": f"{ORIGIN}\n7\n{ROOT.hex()}\n",
    "a root with stray bits": f"{ORIGIN}\n7\n{ROOT_LINE[:-2]}9=\n",
    "a root without padding": f"{ORIGIN}\n7\n{ROOT_LINE[:-1]}\n",
}


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_what_is_not_a_checkpoint_is_refused_though_it_is_signed(text: str) -> None:
    key = LOG_KEY
    with pytest.raises(CheckpointInvalid):
        Checkpoint.parse(text)
    if text.endswith("\n"):
        raw = LOG.sign(text.encode())
        with pytest.raises((CheckpointInvalid, NoteInvalid)):
            SignedCheckpoint.parse(f"{Note(text, (Signature(key.name, key.id, raw),))}", key)


def test_a_signed_checkpoint_names_the_keys_that_signed_it() -> None:
    new = Ed25519PrivateKey.from_private_bytes(b"n" * 32)
    new_key = verifier_key(ORIGIN, new)
    rotated = signed(CHECKPOINT, (LOG_KEY, LOG.sign), (new_key, new.sign))
    assert SignedCheckpoint.parse(str(NOTE), LOG_KEY).signed_by == (LOG_KEY,)
    found = SignedCheckpoint.parse(str(rotated), LOG_KEY, new_key)
    assert (found.checkpoint, found.signed_by) == (CHECKPOINT, (LOG_KEY, new_key))


def test_another_logs_key_vouches_for_nothing_here() -> None:
    other_key = verifier_key("another/log", LOG)
    note = signed(CHECKPOINT, (other_key, LOG.sign))
    with pytest.raises(CheckpointInvalid, match="key of another log"):
        SignedCheckpoint.parse(str(note), other_key)


def test_a_witnesss_key_is_no_logs_key() -> None:
    note = NOTE.add(cosign(NOTE, WITNESS_KEY, WITNESS.sign, time_s=1))
    with pytest.raises(NoteInvalid, match="no key that is known"):
        SignedCheckpoint.parse(str(note), WITNESS_KEY)


def test_a_log_does_not_cosign_and_a_witness_says_when() -> None:
    with pytest.raises(NoteInvalid, match="0x04"):
        cosign(NOTE, LOG_KEY, LOG.sign, time_s=1)
    with pytest.raises(NoteInvalid, match="0x04"):
        cosigned_at(NOTE, LOG_KEY)
    for time_s in (0, -1, 2**63):
        with pytest.raises(NoteInvalid, match="seconds after 1970"):
            cosign(NOTE, WITNESS_KEY, WITNESS.sign, time_s=time_s)


def test_a_note_without_the_cosignature_was_not_cosigned() -> None:
    assert cosigned_at(NOTE, WITNESS_KEY) is None
    stranger = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
    key = verifier_key(WITNESS_KEY.name, stranger, COSIGNATURE)
    assert cosigned_at(NOTE.add(cosign(NOTE, key, stranger.sign, time_s=5)), WITNESS_KEY) is None


def test_the_newest_of_several_cosignatures_counts() -> None:
    cosignatures = [cosign(NOTE, WITNESS_KEY, WITNESS.sign, time_s=time) for time in (5, 9, 7)]
    assert cosigned_at(NOTE.add(*cosignatures), WITNESS_KEY) == 9


def _bad_cosignatures() -> dict[str, bytes]:
    good = cosign(NOTE, WITNESS_KEY, WITNESS.sign, time_s=5).raw
    zero = b"cosignature/v1\ntime 0\n" + NOTE.text.encode()
    huge = f"cosignature/v1\ntime {2**63}\n{NOTE.text}".encode()
    return {
        "another time": (6).to_bytes(8, "big") + good[8:],
        "a flipped bit": good[:-1] + bytes([good[-1] ^ 1]),
        "a byte short": good[:-1],
        "a byte more": good + b"\0",
        "no time": good[8:],
        "time zero": bytes(8) + WITNESS.sign(zero),
        "time 2^63": (2**63).to_bytes(8, "big") + WITNESS.sign(huge),
        "the text itself signed": (5).to_bytes(8, "big") + WITNESS.sign(NOTE.text.encode()),
    }


@pytest.mark.parametrize("name", _bad_cosignatures())
def test_a_bad_cosignature_of_a_known_witness_spoils_the_note(name: str) -> None:
    bad = Signature(WITNESS_KEY.name, WITNESS_KEY.id, _bad_cosignatures()[name])
    with pytest.raises(NoteInvalid):
        cosigned_at(NOTE.add(bad), WITNESS_KEY)
    # The log's own signature is another key's: it still holds.
    assert SignedCheckpoint.parse(str(NOTE.add(bad)), LOG_KEY).checkpoint == CHECKPOINT


def test_a_cosignature_holds_for_its_own_checkpoint_only() -> None:
    taken = cosign(NOTE, WITNESS_KEY, WITNESS.sign, time_s=5)
    other = signed(Checkpoint(ORIGIN, 8, ROOT), (LOG_KEY, LOG.sign))
    with pytest.raises(NoteInvalid, match="does not hold"):
        cosigned_at(other.add(taken), WITNESS_KEY)


def _bundle(old: str = "old 3", proof: str = f"{ROOT_LINE}\n", note: str = str(NOTE)) -> str:
    return f"{old}\n{proof}\n{note}"


BAD_BUNDLES = {
    "empty": "",
    "a note alone": str(NOTE),
    "no old size": _bundle(old=""),
    "another word": _bundle(old="new 3"),
    "no space": _bundle(old="old3"),
    "two spaces": _bundle(old="old  3"),
    "a leading zero": _bundle(old="old 03"),
    "a negative size": _bundle(old="old -3"),
    "2^63": _bundle(old=f"old {2**63}"),
    "a blank after the size": _bundle(old="old 3 "),
    "no blank line": _bundle().replace("\n\n", "\n"),
    "a hash too short": _bundle(proof=base64.b64encode(ROOT[:-1]).decode() + "\n"),
    "a hash in hex": _bundle(proof=ROOT.hex() + "\n"),
    "64 hashes": _bundle(proof=f"{ROOT_LINE}\n" * (MAX_PROOF + 1)),
    "CRLF": _bundle().replace("\n", "\r\n"),
    "trailing bytes": _bundle() + "x",
    "no final newline": _bundle()[:-1],
    "no note": _bundle(note=""),
    "half a character": _bundle(old="old \ud800"),
}


@pytest.mark.parametrize("text", BAD_BUNDLES.values(), ids=BAD_BUNDLES)
def test_what_is_not_a_bundle_is_refused(text: str) -> None:
    assert str(Bundle.parse(_bundle())) == _bundle()
    with pytest.raises((CheckpointInvalid, NoteInvalid)):
        Bundle.parse(text)
    with pytest.raises((CheckpointInvalid, NoteInvalid)):
        Bundle.parse(text.encode("utf-8", "surrogatepass"))


def test_sixty_three_hashes_and_none_are_read() -> None:
    assert len(Bundle.parse(_bundle(proof=f"{ROOT_LINE}\n" * MAX_PROOF)).proof) == MAX_PROOF
    assert Bundle.parse(_bundle(old="old 0", proof="")).proof == ()


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=MAX_PROOF),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)
def test_a_bundle_reads_back_as_it_was_written(
    old: int, proof: list[bytes], size: int, root: bytes
) -> None:
    note = signed(Checkpoint(ORIGIN, size, root), (LOG_KEY, LOG.sign))
    bundle = Bundle(old, tuple(proof), note)
    assert Bundle.parse(str(bundle)) == bundle
    assert SignedCheckpoint.parse(str(note), LOG_KEY).checkpoint == Checkpoint(ORIGIN, size, root)
