"""SECURITY.md: the promises come from the registry of rules, so that the page cannot drift."""

from app.authority.rules import RULES, Rule, State, rules_digest

INTRODUCTION = """
# Security

LMX Authority serves models on one machine to the programs on that machine. This page says what it
promises, where each promise is kept in code, and which test fails when it is not. A rule without a
test fails the test suite; `lmx rules` shows the same list from the running server, and the digest
of the list is in the ledger's first event and in every boot.
"""

LIMITS = """
## What is not promised

- **Whoever owns this machine can rewrite history while nobody outside holds a checkpoint.** The
  database refuses changes, the signer refuses to sign what does not extend its memory, and a copy
  outside the database contradicts a changed one; but root, or the account it runs under, can
  replace database, key, memory and copy together. What a witness has cosigned, or anybody has kept,
  cannot be rewritten unnoticed. `lmx status` says plainly whether there is such a checkpoint
  ([docs/ledger.md](docs/ledger.md)).
- **The signer is part of the server's process.** Whoever runs code as its account can sign.
- **Everything restored together from one old backup agrees with itself.** Only a copy on another
  volume, or a witness, shows that it is old.
- **Approvals come back with files that are put back by hand.** `lmx backup restore` is recorded and
  ends every ask that waits or was approved. Whoever puts back the whole of `LMX_HOME` by other
  means (database, signer and copies) also puts back approvals that were used since; they can be
  used again until their deadline. An older database alone is refused at the start.
- **The host shows what the server renders.** A terminal or an account that is not the approver's
  can show something else. The plan's hash is the same everywhere: compare it by another way.
- **A model that was adopted stays another program's.** Its files are hashed before each load; what
  that program changes after that moment, while a worker reads them, is not noticed.
- **The ledger cannot be pruned yet, and a running server begins no recovery epoch.** Both can be
  asked for and are answered with what stands in the way. `lmx backup restore` goes on from an
  earlier point while no server runs, and says so in the ledger.
- **Programs of the same account are not kept apart.** Whoever can read `operator.key` is the
  operator.
- **Inference on loopback is open** unless `inference_requires_key` is set: any local program may
  ask, and asking for a model of the catalog loads it, within the budget.
- **A worker is a process, not a sandbox.** It gets no key, no database path and a scrubbed
  environment, and it loads only safetensors and GGUF; it still runs under the server's account.
  llama.cpp reads GGUF in C++: our own reader has checked every header before, but not its code.
- **Walls are the machine's.** What keeps an advisor in is the kernel: on Linux Landlock, seccomp
  and limits, on macOS a sandbox profile that Apple calls deprecated. `lmx doctor` says which of
  them stand. A defect of the kernel in the some thirty system calls that are left is a hole in all.
- **Where a wall is missing, the others hold alone.** With Landlock and without seccomp an advisor
  can look at the sizes and times of files, and change modes and times of what the account owns.
  Where the server runs as root, the limit on processes binds nobody: seccomp alone keeps an advisor
  from starting one. With no wall of the kernel at all there are left the limits, the alarm and a
  hook inside Python, which hold up what is clumsy and nothing more.
- **An advisor behind all its walls can still persuade, spend and look around.** It writes the text
  of its proposals. It may take 10 s of a core and 256 MiB in a run (120 s in a replay), after
  everybody else; its memory is looked at every 50 ms, and in between the kernel's limit of 352 MiB
  holds. It learns the paths of Python and of its own code, the number of its parent's process and
  the time, and can tell something by when it writes, or by how busy it keeps the machine.
- **What an advisor tried is told by its own process.** It can invent attempts, and keep quiet about
  those for which the kernel does not end it. No wall depends on what it tells.
- **A snapshot tells how this machine is used.** It holds no prompt, key, person or note, but names
  of models, hours and counts: whoever holds an advisor's key learns when people work.
- **An advisor's key binds whoever presents it.** A bot that leaves it out is any local program: it
  may ask models while inference is open. The key adds proposing to that, and nothing else.
- **Advice can be wrong, or meant badly.** Evidence is compared with the facts, and the authority
  says what accepting would do; whether it is wise, the person decides who accepts it.
- **Remembered prompts can be noticed.** A prompt that begins like another key's is answered sooner.
  `inference.isolate_cache` keeps keys apart.
- **Kept responses are text.** Where the operator switched keeping on for a key, conversations are
  in `lmx.db` until they are deleted or their time is over, and in backups made meanwhile.
- **A form is not a truth.** An answer that obeys a schema, or a call of a tool, can still be wrong.
- **Feasibility is an estimate.** It is held against measurements (`make bench`), and a worker that
  exceeds its promise is stopped; between two heartbeats it can take more.
- **Answers are not checked.** What a model says is not filtered or verified.

## Reporting

Report a weakness privately to the maintainers of the repository, with the steps to see it. Please
do not publish details before a fix is out.
"""


def page() -> str:
    """The whole page: introduction, the promises one by one, the limits."""
    promises = "\n".join(_promise(rule) for rule in RULES)
    digest = f"The digest of this list is `{rules_digest()}`.\n"
    return f"{INTRODUCTION.strip()}\n\n## Promises\n\n{digest}\n{promises}\n{LIMITS}"


def _promise(rule: Rule) -> str:
    lines = [f"### {rule.id} ({rule.tier})", "", rule.sentence, ""]
    if rule.state is not State.KEPT:
        lines += [f"*State: {rule.state}.* {rule.note}", ""]
    if rule.enforced_in:
        lines.append(f"- kept by: {_codes(rule.enforced_in)}")
    if rule.tests:
        lines.append(f"- tested by: {_codes(rule.tests)}")
    return "\n".join([*lines, ""])


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
