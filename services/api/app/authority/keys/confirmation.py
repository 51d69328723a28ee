"""The only place that compares what a person typed with the phrase that an act needs."""

from app.domain.refusals import ConfirmationRequired


def confirmed(said: str | None, phrase: str) -> None:
    """Raise ConfirmationRequired, which names the phrase, unless it was typed exactly."""
    if said != phrase:
        raise ConfirmationRequired(
            f"To go on, confirm it by typing exactly: {phrase}", details={"confirmation": phrase}
        )
