"""Logs and what must not get into them.

Every line, structured or from a library, is redacted before it is written (`secret_shapes`), names
the request that it belongs to (`requests`), and goes to a file that rotates (`logs`).
"""

from app.observability.logs import configure_logging as configure_logging
from app.observability.logs import lines_lost as lines_lost
from app.observability.redaction import printable as printable
from app.observability.redaction import recorded_path as recorded_path
from app.observability.redaction import redact as redact
from app.observability.redaction import shortened as shortened
from app.observability.requests import within_request as within_request
from app.observability.secret_shapes import REDACTED as REDACTED
from app.observability.secret_shapes import redact_text as redact_text
