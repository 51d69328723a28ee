"""Cuts long texts for llama.cpp's tokenizers of the BPE kind.

Many of them match their patterns with a recursion for every character: a text of some ten thousand
characters without a pause overflows the stack and ends the process.
"""

import re
from collections.abc import Iterator

LONGEST = 4000
"""Characters; five times as many were read without harm on a stack of 8 MiB."""

# A blank between two letters begins a word in every one of these patterns, so that what is cut
# there has the tokens of the whole.
_PAUSE = re.compile(r"(?<=[^\W\d_]) (?=[^\W\d_])")


def pieces(text: str, longest: int = LONGEST) -> Iterator[str]:
    """Joined they are `text`. Where it has no pause it is cut in the middle: nobody writes so."""
    at = 0
    while len(text) - at > longest:
        pauses = [found.start() for found in _PAUSE.finditer(text, at + 1, at + longest)]
        end = pauses[-1] if pauses else at + longest
        yield text[at:end]
        at = end
    yield text[at:]
