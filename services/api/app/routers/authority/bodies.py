"""What may be asked on /authority. A field that is not named here is refused, never ignored."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.routers.authority.free_text import Said

Name = Annotated[str, Field(min_length=1, max_length=200)]
Tokens = Annotated[int, Field(ge=1, le=2**31 - 1)]
Slots = Annotated[int, Field(ge=1, le=1024)]
Phrase = Annotated[str, Field(max_length=500)]
Reason = Annotated[Said, Field(max_length=500)]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Nothing(Strict):
    """An empty object."""


class Load(Strict):
    context: Tokens | None = None
    slots: Slots | None = None
    pinned: bool = False


class VerifyAll(Strict):
    """Said in so many words: it reads every byte of the store."""

    all: Literal[True]


class Fit(Strict):
    """Which model: one the catalog knows, or a directory. Exactly one of them."""

    model: Name | None = None
    path: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    context: Tokens | None = None
    slots: Slots | None = None


class Import(Strict):
    path: Annotated[str, Field(min_length=1, max_length=4096)]
    name: Name | None = None


class CreateKey(Strict):
    """`person`: whose key it is to be, by id; without it, a person's key is the asker's own."""

    name: Name
    roles: Annotated[list[str], Field(min_length=1, max_length=5)]
    person: Name | None = None


class AddPerson(Strict):
    name: Annotated[str, Field(min_length=1, max_length=256)]
    confirmation: Phrase | None = None


class Group(Strict):
    """Persons by id, of whom `quorum` must approve."""

    name: Name
    persons: Annotated[list[str], Field(min_length=1, max_length=64)]
    quorum: Annotated[int, Field(ge=1, le=64)]


class ChangeProfile(Strict):
    """`solo` without groups, or `dual` with one at least. All groups have to agree."""

    kind: Name
    groups: Annotated[list[Group], Field(max_length=8)] = Field(default_factory=list)
    confirmation: Phrase | None = None


class Delete(Strict):
    """`drain`: let running answers end first. Without it, a busy model is refused."""

    drain: bool = False
    reason: Reason = ""


class Restore(Strict):
    trash: Name


class Purge(Strict):
    what: Name
    reason: Reason = ""


class Alias(Strict):
    """`then`: models that are tried in turn where the one before cannot be loaded."""

    then: Annotated[list[Name], Field(max_length=64)] = Field(default_factory=list)


class Terms(Strict):
    """What is left out stays as it is; null: the setting holds again. `idle_s` 0: for ever."""

    context: Tokens | None = None
    slots: Slots | None = None
    idle_s: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None


class Pin(Strict):
    pinned: bool


class Note(Strict):
    note: Annotated[Said, Field(max_length=2000)]


class Ask(Strict):
    """`params` are the kind's own; it looks at them."""

    act: Name
    params: dict[str, Any] = Field(default_factory=dict)
    reason: Reason = ""


class Decide(Strict):
    """A person's word on one plan. Approving needs the phrase as typed, a no needs a reason."""

    plan_hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    challenge: Annotated[str, Field(min_length=1, max_length=200)]
    proof: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    confirmation: Phrase | None = None
    reason: Reason = ""
