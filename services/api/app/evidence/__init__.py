"""What an outsider needs to check the ledger: its formats, its proofs and what its events mean.

Nothing here writes to a ledger or decides anything: the authority writes with these formats, the
command line verifies with them, and neither can do the other's work.
"""
