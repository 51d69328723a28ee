"""Makes clean questions look as people type them: casing, punctuation, typos, missing words."""

from random import Random

_NEAR = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj",
    "i": "uo", "j": "hk", "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o",
    "q": "wa", "r": "et", "s": "ad", "t": "ry", "u": "yi", "v": "cb", "w": "qe", "x": "zc",
    "y": "tu", "z": "x",
}  # fmt: skip
# Words that a question can lose without losing what it asks.
_SMALL = frozenset("the a an do does is are i to my of it me can this you please for".split())
_BEFORE = (
    "hi, ", "hello, ", "hey, ", "ok, ", "okay ", "please, ", "sorry, ", "so ", "and ", "um, ",
    "question: ", "one more thing: ", "excuse me, ", "thanks, and ", "now ", "great, ", "hi! ",
    "quick question: ", "hello! ", "tell me, ", "another question: ", "good morning, ",
    "well, ", "I wonder, ",
)  # fmt: skip
_AFTER = (
    " please", ", please", " thanks", ", thank you", " again", " then", " exactly",
    ", do you know", " anyway", " by the way", " for me", ", help", " actually", ", quick",
    " today", " :)", ", what is going on", ", any idea", " in this context", " in lmx terms",
    " just now", ", how does that work", ", can you tell me", ", I have no idea",
    ", I am confused", " or what",
)  # fmt: skip
_QUESTION_ENDS = ("?", "?", "?", "?", "?", "", "", "", "", " ?", "??", ".", "?!")
_OTHER_ENDS = ("", "", "", "", "", ".", ".", ".", "!", "?", "...")
_ASKING = frozenset(
    "what which who where when why how is are do does can could may should will would".split()
)


def disturb(question: str, rng: Random) -> str:
    """One way somebody may type this question."""
    text = question
    if rng.random() < 0.12:
        text = _without_small_word(text, rng)
    asking = text.split(" ", 1)[0].lower() in _ASKING
    if rng.random() < 0.10:
        text = rng.choice(_BEFORE) + text
    if rng.random() < 0.08:
        text = text + rng.choice(_AFTER)
    if rng.random() < 0.25:
        for _ in range(rng.choice((1, 1, 2))):
            text = _with_typo(text, rng)
    text = _with_case(text, rng)
    return text + rng.choice(_QUESTION_ENDS if asking else _OTHER_ENDS)


def _without_small_word(text: str, rng: Random) -> str:
    words = text.split(" ")
    small = [at for at, word in enumerate(words) if word.lower() in _SMALL]
    if len(words) < 4 or not small:
        return text
    del words[rng.choice(small)]
    return " ".join(words)


def _with_typo(text: str, rng: Random) -> str:
    """Drop, swap, double or mistype one letter inside a word; its first letter stays."""
    places = [
        at
        for at in range(1, len(text) - 1)
        if text[at - 1 : at + 2].isalpha() and text[at].lower() in _NEAR
    ]
    if not places:
        return text
    at = rng.choice(places)
    kind = rng.randrange(4)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if kind == 2:
        return text[:at] + text[at] + text[at:]
    return text[:at] + rng.choice(_NEAR[text[at].lower()]) + text[at + 1 :]


def _with_case(text: str, rng: Random) -> str:
    chance = rng.random()
    if chance < 0.35:
        return text.lower()
    if chance < 0.38:
        return text.upper()
    if chance < 0.80:
        return text[:1].upper() + text[1:]
    return text
