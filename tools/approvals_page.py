"""docs/approvals.md: the states of an ask and the acts that need one, from the tables in force."""

from typing import Any, cast

from app.authority.acts.registry import Resources, registry
from app.authority.approvals.transitions import ENDED, MEANINGS, OWNERS, State, mermaid
from app.authority.permissions import ACTS, ROLES

INTRODUCTION = """
# Approvals

What destroys, makes or takes keys, sets a rule aside or loosens how approvals are given is never
done at once: it becomes an ask. The server draws a plan of everything the act would do; its bytes
are in the ledger and their SHA-256 is what a person approves, by typing a phrase and the last six
characters of that hash in a terminal, with a fresh proof that the key is at hand. At execution the
plan is drawn again, and any difference stops it. How to do it is in [approving.md](approving.md).
"""


class _Nothing:
    """Acts are only named here, so that nothing they need is there."""

    def __getattr__(self, name: str) -> Any:
        return None


def page() -> str:
    parts = [INTRODUCTION.strip(), "## What needs an approval", _acts(), "## States", _states()]
    return "\n\n".join([*parts, f"```mermaid\n{mermaid()}\n```"])


def _acts() -> str:
    acts = registry(cast("Resources", _Nothing()))
    lines = ["| act | what it does | typed to approve it | who may ask |", "|---|---|---|---|"]
    for kind, act in sorted(acts.items()):
        roles = ", ".join(sorted(ROLES[act.permission]))
        lines.append(f"| `{kind}` | {act.meaning} | `{act.phrase}` | {roles} |")
    acts_of_asks = "\n".join(f"* {ACTS[p]}: {', '.join(sorted(ROLES[p]))}" for p in _ASKS)
    return "\n".join(lines) + (
        "\n\n`NAME` is what the act is about; after the phrase come the last six characters of the "
        "plan's hash. `model_load` and `model_pull` need an approval only where `asks_for` under "
        f"`approvals` in `config.yaml` names them.\n\n{acts_of_asks}"
    )


def _states() -> str:
    lines = ["| state | what it means | whose turn it is |", "|---|---|---|"]
    for state in State:
        owner = "it has ended" if state in ENDED else OWNERS[state]
        lines.append(f"| `{state}` | {MEANINGS[state]} | {owner} |")
    return "\n".join(lines)


_ASKS = [permission for permission in ROLES if str(permission).startswith("ask.")]
