"""LM Studio's own REST surface: /api/v0 (OpenAI's bodies with figures) and /api/v1."""
