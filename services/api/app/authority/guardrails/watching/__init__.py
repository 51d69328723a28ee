"""Guardrails at work: what is read, what is remembered of it, and what was decided, kept."""
