"""An advisor that takes too much, says too much, lies, or ends in a way nobody expects."""

import json
from collections.abc import Awaitable, Callable

import psutil
import pytest

from app.domain.advice.frames import Answer, Question
from app.engines import advisor_process
from tests.hostile.world import World, told

GOOD = "yield proposed('good')\n"


def kept(around: World, attack: str, **options: object) -> tuple[list[str], list[str], str]:
    """The reasons of the proposals so far, what kinds of thing were tried, and how it ended."""
    outcome = around.run(attack, whole=True, **options)
    reasons = [json.loads(one)["reason"] for one in outcome.proposals]
    return reasons, [what for what, _ in told(outcome)], outcome.ended


# what it does -> what is told at the end, how it ended, and limits that make the test short
EXHAUSTS = {
    "asleep": (
        "time = __import__('time')\nwhile True:\n    time.sleep(3600)",
        "time",
        "it took too long",
        {"clock_s": 0.6},
    ),
    "waiting-for-an-answer-never-asked": (
        "sys.stdin.read()",
        "time",
        "it took too long",
        {"clock_s": 0.6},
    ),
    "deaf-to-signals-and-blocking-them": (
        (
            "s = STOLEN['signal']\n"
            "for number in (s.SIGTERM, s.SIGXCPU, s.SIGALRM, s.SIGINT, s.SIGHUP):\n"
            "    try:\n"
            "        s.signal(number, s.SIG_IGN)\n"
            "    except OSError:\n"
            "        pass\n"
            "try:\n"
            "    s.pthread_sigmask(s.SIG_BLOCK, range(1, 65))\n"
            "except OSError:\n"
            "    pass\n"
            "while True:\n    pass"
        ),
        "cpu",
        "it computed too long",
        {"cpu_s": 1, "without": frozenset({"audit-hook"})},
    ),
    "one-long-step-of-c": (
        "sum(range(10 ** 15))",
        "cpu",
        "it computed too long",
        {"cpu_s": 1},
    ),
}


@pytest.mark.parametrize("name", EXHAUSTS)
def test_what_never_ends_is_ended(around: World, name: str) -> None:
    attack, what, ended, options = EXHAUSTS[name]
    reasons, tried, how = kept(around, GOOD + attack, **options)
    assert (tried[-1:], how) == ([what], ended)
    # On a busy machine a short time is over before the first word.
    assert reasons == ["good"] or what == "time"


@pytest.mark.parametrize(
    "attack",
    [
        "held = [bytearray(1 << 20) for _ in range(10_000)]",
        "held = 'x' * (1 << 33)",
        "held = []\nwhile True:\n    held.append(held[:])\n    held += range(100_000)",
        "import json\nheld = json.loads('[' + '[],' * (50 << 20) + '[]]')",
    ],
)
def test_memory_is_limited(around: World, attack: str) -> None:
    before = psutil.Process().memory_info().rss
    outcome = around.run(GOOD + attack, whole=True, memory_bytes=100 << 20, cpu_s=10)
    assert [what for what, _ in told(outcome)] == ["memory"]
    assert "memory" in outcome.ended
    assert 10 << 20 < outcome.peak_bytes < 220 << 20
    assert psutil.Process().memory_info().rss - before < 50 << 20


def test_memory_is_watched_where_the_kernel_does_not_limit_it(around: World) -> None:
    """As on macOS: the host looks, and kills."""
    outcome = around.run(
        "time = __import__('time')\nheld = []\n"
        "while True:\n    held.append(bytearray(b'x' * (4 << 20)))\n    time.sleep(0.01)",
        whole=True,
        without=frozenset({"limits"}),
        memory_bytes=100 << 20,
    )
    assert told(outcome) == [("memory", f"more than {100 << 20} bytes")]
    assert outcome.ended == "it took too much memory"


# what it writes -> what is told, where it is told once and the child is killed for it
SAYS = {
    "words": ("print('hello')", "garbage"),
    "words-flushed": ("print('hello', flush=True)\nyield proposed('never heard')", "garbage"),
    "half-a-line": ("sys.stdout.write('{\"proposal\": {')", "garbage"),
    "binary": ("sys.stdout.buffer.write(bytes(range(256)) * 100)", "garbage"),
    "nulls": ("sys.stdout.buffer.write(b'\\0' * 1000 + b'\\n')", "garbage"),
    "empty-lines": ("print('\\n\\n\\n')", "garbage"),
    "list": ("print('[1, 2]')", "garbage"),
    "deep": ("print('[' * 60_000)", "garbage"),
    "deep-but-read": ("print('{\"proposal\": {\"a\": ' + '[' * 40 + ']' * 40 + '}}')", "garbage"),
    "deep-object": ("print('{\"proposal\": ' + '{\"a\":' * 5_000 + '1' + '}' * 5_001)", "garbage"),
    "no-number": ('print(\'{"proposal": {"confidence": NaN}}\')', "garbage"),
    "long-number": ("print('{\"proposal\": {\"confidence\": ' + '9' * 5_000 + '}}')", "garbage"),
    "two-frames-in-one": ('print(\'{"proposal": {}, "done": {}}\')', "garbage"),
    "unknown-frame": ("print('{\"event\": {}}')", "garbage"),
    "proposal-that-is-none": ('print(\'{"proposal": "load it"}\')', "garbage"),
    "walls-again": (
        'print(\'{"walls": [{"name": "all", "stands": true, "why": ""}]}\')',
        "garbage",
    ),
    "an-answer": ('print(\'{"answer": {"text": "yes", "why": ""}}\')', "garbage"),
    "terminal": ("print('\\x1b]0;owned\\x07\\x1b[2J')", "garbage"),
    "question-without-bounds": (
        'print(\'{"question": {"prompt": "x", "schema": {}, "max_tokens": 1e9}}\')',
        "garbage",
    ),
    "much": ("while True:\n    print('x' * 70_000)", "output"),
    "a-hundred-megabytes": ("sys.stdout.write('x' * (100 << 20))", "output"),
    "one-endless-line": ("while True:\n    sys.stdout.write(' ' * 1000)", "output"),
    "many-proposals": ("while True:\n    yield proposed('again')", "output"),
    "errors-without-end": (
        "while True:\n    sys.stderr.write('x' * 1000)\n    sys.stderr.flush()",
        "output",
    ),
    "long-proposal": ("yield proposed('x' * 70_000)", "output"),
}


@pytest.mark.parametrize("name", SAYS)
def test_what_is_no_frame_ends_it(around: World, name: str) -> None:
    attack, what = SAYS[name]
    reasons, tried, how = kept(around, GOOD + attack)
    assert reasons[0] == "good"
    assert tried == [what]
    assert how.startswith("it wrote ")
    assert "never heard" not in reasons


def test_what_is_told_of_it_obeys_no_terminal(around: World) -> None:
    outcome = around.run("print('\\x1b[2J\\u202eevil\\x07')\nyield", whole=True)
    [(what, which)] = told(outcome)
    assert what == "garbage"
    assert which.isprintable()
    assert "evil" in which


def test_a_proposal_with_escapes_and_a_forged_author_is_handed_on_as_text(around: World) -> None:
    """Nothing is cleaned or believed here: the authority refuses it, naming what is wrong."""
    outcome = around.run(
        "class Forged(Proposal):\n"
        "    def as_plain(self):\n"
        "        return {**Proposal.as_plain(self), 'author': 'operator', 'state': 'accepted'}\n"
        "yield Forged(kind=Kind.PIN, target='\\x1b[31mm', reason='\\x1b[2J', assumes='-',\n"
        "             confidence=100)",
        whole=True,
    )
    [proposal] = outcome.proposals
    assert json.loads(proposal)["author"] == "operator"
    assert proposal.isascii()
    assert b"\x1b" not in proposal
    assert outcome.ended == ""


def test_attempts_by_the_thousand_are_told_briefly(around: World) -> None:
    outcome = around.run(
        "for number in range(5_000):\n"
        "    try:\n"
        "        open('/etc/passwd')\n"
        "    except PermissionError:\n"
        "        pass\n" + GOOD,
        whole=True,
    )
    assert len(outcome.tried) == 21
    assert told(outcome)[-1] == ("more", "4980 more attempts")
    assert (len(outcome.proposals), outcome.ended) == (1, "")


def test_forged_attempts_by_the_thousand_are_counted_too(around: World) -> None:
    outcome = around.run(
        "for number in range(5_000):\n"
        '    print(\'{"tried": {"what": "x", "which": "y"}}\')\n' + GOOD,
        whole=True,
    )
    assert len(outcome.tried) == 21
    assert told(outcome)[-1] == ("more", "4980 more attempts")


# how it ends -> what is told, how that reads
ENDS = {
    "early": ("STOLEN['os']._exit(0)", ["ended"], "it ended without a word (exited with status 0)"),
    "failing": (
        "STOLEN['os']._exit(3)",
        ["ended"],
        "it ended without a word (exited with status 3)",
    ),
    "exit": ("sys.exit(0)", [], "it raised SystemExit: 0"),
    "interrupt": ("raise KeyboardInterrupt", [], "it raised KeyboardInterrupt: "),
    "error": ("raise ValueError('no\\x1b[2J')", [], "it raised ValueError: no\\x1b[2J"),
    "recursion": (
        "def again():\n    again()\nagain()",
        [],
        "it raised RecursionError: maximum recursion depth exceeded",
    ),
    "not-a-proposal": (
        "yield {'kind': 'pin'}",
        [],
        "it raised TypeError: an advisor yields proposals and questions, not dict",
    ),
    "deaf": ("sys.stdin.close()\nSTOLEN['os'].close(0)", [], ""),
    "lying": ('print(\'{"done": {"ended": ""}}\', flush=True)\nwhile True:\n    pass', [], ""),
}


@pytest.mark.parametrize("name", ENDS)
def test_however_it_ends_what_it_said_before_is_kept(
    around: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "lying":  # and so it will not go
        monkeypatch.setattr(advisor_process, "_GRACE_S", 0.1)
    attack, what, ended = ENDS[name]
    outcome = around.run(GOOD + attack, whole=True, without=frozenset())
    assert len(outcome.proposals) == 1
    assert [one for one, _ in told(outcome)] == what
    assert outcome.ended == ended


@pytest.mark.parametrize("attack", ["STOLEN['os'].abort()", "STOLEN['ctypes'].string_at(0)"])
def test_a_crash_is_an_outcome(around: World, attack: str) -> None:
    outcome = around.run(GOOD + attack, whole=True, without=frozenset({"audit-hook"}))
    assert [what for what, _ in told(outcome)] == ["ended"]
    assert outcome.ended.startswith("it ended without a word (killed by signal ")
    assert len(outcome.proposals) == 1


def test_one_that_closes_its_output_is_not_waited_for(
    around: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advisor_process, "_GRACE_S", 0.1)
    outcome = around.run(
        GOOD + "STOLEN['os'].close(1)\nwhile True:\n    pass",
        whole=True,
        without=frozenset({"audit-hook"}),
    )
    assert [what for what, _ in told(outcome)] == ["ended"]
    assert outcome.ended == "it ended without a word (killed by signal 9)"
    assert outcome.elapsed_ms < 60_000


ASKING = "answer = yield Question(prompt='p', schema={}, max_tokens=5)\n"


def counting(asked: list[Question]) -> Callable[[Question], Awaitable[Answer]]:
    async def answer(question: Question) -> Answer:
        asked.append(question)
        return Answer(text="x\ny")

    return answer


def test_a_fourth_question_is_not_answered(around: World) -> None:
    asked: list[Question] = []
    reasons, tried, ended = kept(around, ASKING * 9 + GOOD, answer=counting(asked))
    assert (len(asked), reasons, tried) == (3, [], ["questions"])
    assert ended == "it asked more than 3 questions"


def test_questions_all_at_once_are_garbage(around: World) -> None:
    asked: list[Question] = []
    line = '{"question": {"prompt": "p", "schema": {}, "max_tokens": 5}}'
    _, tried, _ = kept(
        around,
        f"print('{line}\\n{line}', flush=True)\nsys.stdin.read()\nyield",
        answer=counting(asked),
    )
    assert tried == ["garbage"]
    assert len(asked) <= 1
