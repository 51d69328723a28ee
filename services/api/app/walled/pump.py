"""Runs an advisor: its proposals and questions out, its answers in. Code here is not trusted."""

from typing import Any

from app.domain.advice.frames import Advisor, Answer, Question
from app.domain.advice.proposals import Proposal
from app.domain.advice.snapshot import from_plain
from app.walled.frames import Pipes


def carry_out(order: dict[str, Any], pipes: Pipes) -> str:
    """Whatever is asked for, to its end. Returns why it did not end well, else nothing."""
    try:
        _DO[order["do"]](order, pipes)
    except MemoryError:
        pipes.tell_tried("memory", "more than it was allowed")
        return "it ran out of memory"
    except BaseException as error:  # noqa: BLE001 - SystemExit too is only how an advisor ended
        return f"it raised {type(error).__name__}: {error}"
    return ""


def _advisor(name: str) -> Advisor:
    from app._experimental.registry import ADVISORS

    if name not in ADVISORS:
        raise LookupError(f"there is no advisor {name!r}")
    advisor = ADVISORS[name]()
    if advisor.name != name:
        raise LookupError(f"the advisor {name!r} calls itself {advisor.name!r}")
    return advisor


def _look(order: dict[str, Any], pipes: Pipes) -> None:
    from app._experimental.registry import ADVISORS

    del order
    described, broken = [], []
    for name in ADVISORS:
        try:
            advisor = _advisor(name)
            described.append([name, advisor.assumes, advisor.sure])
        except Exception as error:  # noqa: BLE001 - one that is broken does not hide the others
            broken.append(error)
    pipes.tell("described", described)
    if broken:
        raise broken[0]


def _advise(order: dict[str, Any], pipes: Pipes) -> None:
    snapshot = from_plain(order.pop("snapshot"))  # and its JSON takes no memory any more
    advice = _advisor(order["advisor"]).advise(snapshot)
    answer: Answer | None = None
    while True:
        try:
            said = advice.send(answer)
        except StopIteration:
            return
        answer = None
        if isinstance(said, Proposal):
            pipes.tell("proposal", said.as_plain())
        elif isinstance(said, Question):
            schema = dict(said.schema)
            question = {"prompt": said.prompt, "schema": schema, "max_tokens": said.max_tokens}
            pipes.tell("question", question)
            answer = pipes.answer()
        else:
            raise TypeError(f"an advisor yields proposals and questions, not {type(said).__name__}")


def _replay(order: dict[str, Any], pipes: Pipes) -> None:
    from app._experimental.replay import replay

    plain = order.pop("snapshot")
    report = replay(
        _advisor(order["advisor"]),
        month=order["month"],
        seed=order["seed"],
        snapshot=None if plain is None else from_plain(plain),
    )
    pipes.tell("report", report)


_DO = {"look": _look, "advise": _advise, "replay": _replay}
