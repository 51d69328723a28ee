"""What advice becomes inside the authority: kept as untrusted, looked at, decided, scored.

Advisors propose; nothing follows from a proposal. A person accepts one, and then that person does
or asks for what it says, by the ordinary use case.
"""
