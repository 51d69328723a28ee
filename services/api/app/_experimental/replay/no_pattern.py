"""A month without a pattern: any model, at any time, as likely as any other."""

from app._experimental.replay.dice import Dice
from app._experimental.replay.month import A_MONDAY, GIB, HOURS, Month, listed


def no_pattern(seed: int) -> Month:
    """Rare requests in some seeds, many an hour in others; about half of the models fit."""
    dice = Dice(f"none {seed}")
    models = [f"any/model-{number}" for number in range(dice.between(6, 12))]
    needs = {model: dice.between(4 * 4, 20 * 4) * GIB // 4 for model in models}
    an_hour = dice.pick((0.5, 2.0, 8.0, 30.0))
    hours = [
        [(second, dice.pick(models)) for second in dice.seconds(dice.count(an_hour))]
        for _ in range(HOURS)
    ]
    room = sum(needs.values()) * dice.between(35, 65) // 100
    return Month(
        name="none",
        seed=seed,
        first_hour=A_MONDAY,
        hours=HOURS,
        budget_bytes=max(room, *needs.values()),
        needs=needs,
        asked=listed(hours),
    )
