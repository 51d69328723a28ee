"""What events about the server's own keeping hold: backups, restores, upgrades, settings."""

from typing import Final

from app.evidence.fields import Schema, integer, maybe, schema, text, texts
from app.evidence.vocabulary import Kind

_SIZE: Final = integer("size", "events of the ledger that it holds")
_ROOT: Final = text("root", "root hash over them")
_MANIFEST: Final = text("manifest", "SHA-256 of its manifest")

OPERATING: Final[tuple[Schema, ...]] = (
    schema(
        Kind.BACKUP_MADE,
        "A backup of the state was made while the server ran.",
        "the backup's name",
        _SIZE,
        _ROOT,
        _MANIFEST,
        integer("size_bytes", "bytes of its files"),
    ),
    schema(
        Kind.STATE_RESTORED,
        "The state was put back from a backup, at this machine, while no server ran. What the "
        "ledger said after that point is not in it; the state that was replaced was kept.",
        "the backup's name",
        _SIZE,
        _ROOT,
        _MANIFEST,
        integer("made_us", "UTC when the backup was made"),
        maybe(integer("replaced_size", "events of the ledger that was replaced")),
        maybe(text("replaced_root", "root hash over them")),
        texts("revoked", "ids of keys that were revoked again, as in the state that was replaced"),
        integer(
            "asks_ended", "asks that were open, approved or claimed in the backup, and were ended"
        ),
    ),
    schema(
        Kind.SCHEMA_UPGRADED,
        "The database was brought to this release's schema, after a backup of it was made.",
        "",
        text("before", "the schema it had"),
        text("after", "the schema it has"),
        text("backup", "name of the backup that was made first"),
    ),
    schema(
        Kind.KEY_RECOVERED,
        "The operator's key was made anew at this machine's console, while no server ran.",
        "id of the new key",
        texts("roles", "what it may be used for"),
        maybe(text("person", "id of the person it belongs to")),
        texts("revoked", "ids of the keys that it replaces"),
    ),
    schema(
        Kind.CONFIG_RELOADED,
        "Settings were read anew while the server ran; they are evidence.",
        "",
        texts("changed", "settings that changed, by their names"),
        texts("waiting", "settings that changed in the file and wait for a restart"),
        text("config_digest", "SHA-256 of the settings in force, as canonical JSON"),
    ),
)
