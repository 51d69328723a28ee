"""The advisory zone: code that may be wrong, because nothing here can act.

An advisor is a function from a frozen `Snapshot` to `Proposal`s (both from `app.domain`). It runs
in a child process that holds no database path, no key and no write access; the snapshot arrives on
standard input and the proposals leave on standard output, marked untrusted. A person accepts one,
or nothing happens.

May import: `app.domain`, and the few pure parts of the standard library that are listed in
`tools/boundary_rules.py`. Must not: import or reach the authority, the engines, the settings or the
database; open files or sockets; start processes; load code by name.

Held by: `.importlinter` (contract `advisory`), `tools/boundary_rules.py` (rules X01 to X04),
`tests/architecture/test_zones_at_run_time.py`, and the child process itself. How code leaves this
zone: it is typed, tested and deterministic, and a decision record says why; it moves, it is not
imported from here.
"""
