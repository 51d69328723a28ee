"""docs/errors.md: every code a client may see, from the table that maps them."""

from app.routers.errors import error_table

INTRODUCTION = """
# Errors

On `/v1` and on unknown routes an error is `{"error": {"message", "type", "param", "code"}}`, always
with all four keys; on `/authority` it is an RFC 9457 problem document with the same code. After the
first byte of a stream an error is one event, `data: {"error": ...}`, and the stream ends without
`[DONE]`. An answer that retrying cannot cure carries `x-should-retry: false`, so that clients which
retry by themselves stop.
"""


def page() -> str:
    return f"{INTRODUCTION.strip()}\n\n{error_table()}"
