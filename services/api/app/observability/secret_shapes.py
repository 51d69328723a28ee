"""The only place that knows what a secret looks like: by its shape, or by the name before it.

Names and values, never entropy: digests, plan hashes, request ids, ids of models and numbers of
tokens look random too and have to stay. Every pattern reads its text once: what repeats is bounded,
or cannot give back what it took, so that no text makes it slow.
"""

import re
from typing import Final

REDACTED: Final = "[redacted]"

_VALUE: Final = r"""
    \\{0,4} (?:
        "(?:[^"\\]|\\.)*+"?            # quoted: to its quote, or to the end
      | '(?:[^'\\]|\\.)*+'?
      | [\[({] [^\])}]*+               # a list or an object of them
      | [^\s"'&,;<>)}\]\\]++
    )
"""
_NAME: Final = r"""
    (?<![a-z0-9]) (?:
        pass(?:word|wd|phrase|code)? | pwd | credentials?
      | (?:client|app|shared|signing|webhook)?[_-]?secret(?:[_-]?key)?
      | (?:api|access|private|account|auth|encryption)[_-]?keys?
      | (?:proxy[_-])?authorization | (?:set[_-])?cookie | session[_-]?id
      | token (?! ["']? \s{0,4} [:=] \s{0,4} ["']? \d{1,9} (?![\w-]) )   # a number counts them
    )
"""
_NO_PROSE: Final = r"""
    (?! [a-z]{1,11}+ (?: \ [A-Za-z]{1,32}+ (?![^\s.,;:!?]) | [,;]\ ) )
    (?! (?:tokens?|keys?|authentication|authorization|credentials?) (?:[\s.,;:!?)] | \Z) )
"""
"""After `Bearer `: not a short word in small letters with another behind it, as in a sentence. At
the end of a text, or before a quote, even such a word is a secret."""

_SECRETS: Final = re.compile(
    rf"""
      lmx_[0-9A-Za-z]{{1,16}}_[0-9A-Za-z_-]{{8,}}+              # ours; the id alone is public
    | (?<![A-Za-z0-9])(?:sk|pk|rk)-[0-9A-Za-z_-]{{8,}}+         # providers' keys
    | (?<![A-Za-z0-9])(?:sk|pk|rk|whsec)_(?:live|test)_[0-9A-Za-z]{{8,}}+
    | (?<![A-Za-z0-9])hf_[0-9A-Za-z]{{8,}}+                     # the hub's tokens
    | (?<![A-Za-z0-9])gh[opsur]_[0-9A-Za-z]{{16,}}+
    | (?<![A-Za-z0-9])github_pat_[0-9A-Za-z_]{{16,}}+
    | (?<![A-Za-z0-9])glpat-[0-9A-Za-z_-]{{16,}}+
    | (?<![A-Za-z0-9])xox[a-z]-[0-9A-Za-z-]{{8,}}+
    | (?<![A-Za-z0-9])xapp-[0-9A-Za-z-]{{8,}}+
    | (?<![A-Za-z0-9])A[KS]IA[0-9A-Z]{{16}}(?![0-9A-Z])
    | (?<![A-Za-z0-9])AIza[0-9A-Za-z_-]{{35}}
    | (?<![A-Za-z0-9])eyJ[0-9A-Za-z_-]{{6,}}+(?:\.[0-9A-Za-z_-]*+){{1,4}}  # JWT and JWE
    | -----BEGIN\ [A-Z0-9\ ]{{0,40}}PRIVATE\ KEY.*?(?:-----END\ [A-Z0-9\ ]{{0,40}}KEY-----|\Z)
    | (?<=://)[^\s/?\#@"'<>]{{1,512}}(?=@)                      # who logs in, in an address
    | (?<![\w.+-])[\w.+-]{{1,64}}:[^\s@/:"'<>]{{3,128}}@(?!sha256)(?=[\w\[])
    | (?i:(?<=bearer\ )|(?<=basic\ )|(?<=negotiate\ ))\ {{0,8}}+{_NO_PROSE}[^\s"',;)}}\]\\]{{4,}}+
    | (?i: (?P<cookies>(?<![a-z0-9])(?:set-)?cookie\s{{0,4}}:\s{{0,4}}) [^\r\n"']++ )
    | (?i: (?P<name>{_NAME}
             (?: \\{{0,4}}["']\s{{0,4}}[,:=]\s{{0,4}}b? | \s{{0,4}}(?:=>|[=:]|%3D)\s{{0,4}} ) )
           (?: (?:bearer|basic|token|digest|negotiate)\s{{1,8}} )?
           {_VALUE} )
    """,
    re.VERBOSE | re.DOTALL,
)

_SIGNS: Final = (
    "lmx_", "sk-", "pk-", "rk-", "sk_", "pk_", "rk_", "whsec_", "hf_", "gh", "github_pat",
    "glpat-", "xox", "xapp-", "akia", "asia", "aiza", "eyj", "-----begin", "@", "bearer ", "basic ",
    "negotiate ", "pass", "pwd", "credential", "secret", "key", "authorization",
    "cookie", "session", "token",
)  # fmt: skip
"""Every secret has one of them in it. Most texts have none, and are done with in a microsecond."""

_SECRET_FIELDS: Final = frozenset(
    {
        "access_key",
        "api_key",
        "apikey",
        "authorization",
        "cookie",
        "credential",
        "credentials",
        "passphrase",
        "passwd",
        "password",
        "private_key",
        "pwd",
        "secret",
        "secret_key",
        "token",
    }
)
_COUNTED: Final = ("token",)
"""Fields whose number is how many there are, and no secret."""


def redact_text(text: str) -> str:
    """Return `text` with everything that looks like a secret replaced."""
    folded = text.casefold()
    if not any(sign in folded for sign in _SIGNS):
        return text
    return _SECRETS.sub(_replaced, text)


def is_secret_field(key: object, value: object) -> bool:
    """Whether a field of this name holds a secret: `HF-Token` and `db_password` do.

    `completion_tokens` does not, nor does a `token` that is a number.
    """
    name = _name(key)
    if name is None or not (name in _SECRET_FIELDS or _ends_in_one(name)):
        return False
    counted = name.rpartition("_")[2] in _COUNTED
    return not (counted and (value is None or isinstance(value, int | float)))


def _ends_in_one(name: str) -> bool:
    """`x_api_key`, `hub_token`: whatever stands before it, it is one."""
    parts = name.split("_")
    return any("_".join(parts[-count:]) in _SECRET_FIELDS for count in (1, 2) if count < len(parts))


def _name(key: object) -> str | None:
    if isinstance(key, bytes):
        key = key.decode("latin-1")
    return key.lower().replace("-", "_").replace(" ", "_") if isinstance(key, str) else None


def _replaced(found: re.Match[str]) -> str:
    return (found["name"] or found["cookies"] or "") + REDACTED
