"""What people write in their own words. It goes into the ledger, which forgets nothing."""

from typing import Annotated

from pydantic import AfterValidator

from app.observability import redact_text


def without_secrets(text: str) -> str:
    """Refuse, rather than change, what a person says: they can say it again without the secret."""
    if redact_text(text) != text:
        raise ValueError(
            "looks as if it held a key or a password, and the ledger keeps it for ever. "
            "Say it without"
        )
    return text


Said = Annotated[str, AfterValidator(without_secrets)]
