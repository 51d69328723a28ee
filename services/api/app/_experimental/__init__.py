"""The advisory zone: code that may be wrong, because nothing here can act.

What it gets: a frozen `Snapshot`: sizes, states, counts and times of models, aliases and the
machine. No prompt, no answer, no key, no person.

What it returns: `Proposal`s, each with its reason, its evidence out of the snapshot, how sure it
is, what it assumes and what it predicts; and `Question`s to a model, which whoever runs it asks.
An advisor is a generator of these (`app.domain.advice.frames`). A person accepts a proposal, as
their own act or ask, or nothing happens.

May import: `app.domain`, this zone, and the pure parts of the standard library that
ADVISORY_MAY_IMPORT lists (tools/boundary_rules.py). Must not: import or reach the authority, the
engines, the settings or the database; open files or sockets; start processes; load code by name;
read a clock or draw by chance.

How it is held: the import contract `advisory` (.importlinter); the boundary rules X01 to X04; what
an import brings into memory (tests/architecture/test_zones_at_run_time.py); a child process without
a path, a key, a socket or the right to write (app.walled, app.engines.advisor_process); and
advisors that try to get out (tests/hostile). What is proposed is stored as untrusted text and
checked again (app.authority.advice).

Where things are: `registry` has a function for each advisor: `residency`, `routing`,
`housekeeping`, `context`, `llm`; one that runs is loaded without the others. `evidence` reads
facts, `measured` sums rows of use, `wording` writes for people, `answers` reads what a model said;
`replay` plays months over to see whether advice helps. What each looks at and how sure it is:
docs/advisors.md.

How code leaves this zone: it is typed, deterministic and tested; scorecard and replays show that it
is right; a decision record says what it may do from then on and what enforces the rest. It moves,
in one change: it is never imported from here. CONTRIBUTING.md has the steps.
"""
