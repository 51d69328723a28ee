"""How severe a clause is: its words make a tier, the machine's instructions shift it. Pure."""

from collections.abc import Mapping

from app.authority.guardrails.compiler.lookup import Lookup
from app.authority.guardrails.document.model import Document
from app.authority.guardrails.values import TIERS, Severity, Tier


def tier_of(phrase: str, document: Document) -> Tier | None:
    """The tier that a phrase stands for; a tier's own name does where the document says nothing.

    A phrase of several tiers is the highest of them: a rule is met more often rather than less.
    """
    vocabulary = document.severity
    if phrase in vocabulary.urgent:
        return Tier.HIGH
    found = [tier for tier in TIERS if phrase in vocabulary.words.get(tier.value, ())]
    if found:
        return found[-1]
    return Tier(phrase) if phrase in set(TIERS) else None


def said(words: tuple[str, ...], lookup: Lookup) -> Tier:
    """The highest tier of the words, all of which are known; without words the default."""
    tiers = [tier for word in words if (tier := tier_of(word, lookup.document)) is not None]
    if tiers:
        return max(tiers, key=TIERS.index)
    return Tier(lookup.at("severity", "default"))


def shifted(words: tuple[str, ...], lookup: Lookup) -> Severity:
    """The tier whose prior is looked up: what was said, moved by the bias rules that apply.

    Equal opposites neutralise each other, which is not the same as no rule: the trace tells.
    """
    tier = said(words, lookup)
    shifts = _matching(
        lookup.at("bias_rules") or {}, lookup.at("application_context", "instructions") or ()
    )
    total = sum(shifts.values())
    wanted = TIERS.index(tier) + total
    reached = min(max(wanted, 0), len(TIERS) - 1)
    if not shifts:
        bias = "none"
    elif total == 0:
        bias = "neutralised"
    else:
        bias = "shifted" if reached == wanted else "clamped"
    return Severity(words=words, said=tier, shifts=shifts, bias=bias, tier=TIERS[reached])


def unbiased(words: tuple[str, ...], document: Document, *, bias: str) -> Severity:
    """Where no tier is looked up, because a number was said or the strategy has no level."""
    tiers = [tier for word in words if (tier := tier_of(word, document)) is not None]
    tier = max(tiers, key=TIERS.index) if tiers else Tier.MEDIUM
    return Severity(words=words, said=tier, shifts={}, bias=bias, tier=tier)


def _matching(rules: Mapping[str, int], instructions: tuple[str, ...]) -> dict[str, int]:
    """The rules whose phrase one of the instructions has, as whole words; each counts once."""
    texts = [f" {_words(text)} " for text in instructions]
    return {
        phrase: rules[phrase]
        for phrase in sorted(rules)
        if any(f" {_words(phrase)} " in text for text in texts)
    }


def _words(text: str) -> str:
    kept = "".join(char if char.isalnum() or char in "-_'" else " " for char in text.lower())
    return " ".join(kept.split())
