"""The guardrails document: what it may say, how it is read, what it means whatever its order."""
