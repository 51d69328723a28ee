"""Responses that a client asked to be kept, where the operator allows that."""
