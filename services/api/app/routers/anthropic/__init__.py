"""Anthropic's surface: /v1/messages."""
