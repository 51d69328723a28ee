"""From GGUF metadata to a model's `ModelShape`: what llama.cpp allocates for each architecture.

An architecture that is not in the tables here is refused: nobody could say what it needs.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NoReturn

from app.authority.catalog.gguf import Array, Header, Tensor, Value
from app.authority.catalog.shapes import MAX_CONTEXT, MAX_VOCAB, MAX_WIDTH
from app.authority.catalog.tree import refuse
from app.domain.shapes import Format, KvGroup, ModelShape, Task

MAX_LAYERS: Final = 4096
MAX_HEADS: Final = 65_536
MAX_DIM: Final = 1 << 20
MAX_WINDOW: Final = 1 << 32
HALF_BYTES: Final = 2
"""Of one cached element: keys and values are kept in half precision."""

# Each layer keeps keys and values of every token.
_FULL: Final = frozenset(
    {
        "arcee", "apertus", "baichuan", "bailingmoe", "chatglm", "codeshell", "command-r",
        "deepseek", "deepseek2", "dots1", "ernie4_5", "ernie4_5-moe", "exaone", "falcon", "gemma",
        "glm4", "glm4moe", "gpt2", "gptneox", "granite", "granitemoe", "hunyuan-dense",
        "hunyuan-moe", "internlm2", "llama", "minicpm", "minicpm3", "mpt", "nemotron", "olmo",
        "olmo2", "olmoe", "orion", "phi2", "phi3", "phimoe", "qwen", "qwen2", "qwen2moe", "qwen3",
        "qwen3moe", "refact", "seed_oss", "smollm3", "stablelm", "starcoder", "starcoder2",
        "xverse",
    }
)  # fmt: skip
# Of so many layers all but the last keep a window only, where the file names one.
_WINDOWED: Final[Mapping[str, int]] = {"cohere2": 4, "gemma2": 2, "gemma3": 6, "gpt-oss": 2}
# They read a text at once and remember nothing of it.
_ENCODERS: Final = frozenset({"bert", "jina-bert-v2", "modern-bert", "nomic-bert"})
KNOWN: Final = _FULL | _WINDOWED.keys() | _ENCODERS

_POOLING_NONE, _POOLING_RANK = 0, 4

# By llama.cpp's number of a file's type.
FILE_TYPES: Final[Mapping[int, str]] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M",
    30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip


class Facts:
    """Metadata of one architecture; reads of numbers are bounded and refuse what makes no sense."""

    def __init__(self, metadata: Mapping[str, Value], path: str) -> None:
        self._metadata = metadata
        self._path = path
        found = metadata.get("general.architecture")
        if not isinstance(found, str) or found not in KNOWN:
            self.refuse(
                f"is of the architecture {str(found)[:64]!a}, whose need of memory is not known. "
                f"Known: {', '.join(sorted(KNOWN))}"
            )
        self.architecture = found

    def has(self, name: str) -> bool:
        return f"{self.architecture}.{name}" in self._metadata

    def number(self, name: str, *, high: int, default: int | None = None, low: int = 1) -> int:
        """One number; of a list, the largest."""
        return max(self._all(name, low=low, high=high, default=default))

    def per_layer(self, name: str, layers: int, *, high: int, default: int) -> list[int]:
        """A number for each layer: a list of them, or one for all."""
        found = self._all(name, low=0, high=high, default=default)
        if len(found) == 1:
            return found * layers
        if len(found) != layers:
            self.refuse(f"lists {len(found)} numbers for {layers} layers as {name}")
        return found

    def refuse(self, why: str) -> NoReturn:
        refuse(self._path, why)

    def _all(self, name: str, *, low: int, high: int, default: int | None) -> list[int]:
        value = self._metadata.get(f"{self.architecture}.{name}", default)
        if value is None:
            self.refuse(f"does not say {name}, so its need of memory cannot be computed")
        found = list(value.numbers) if isinstance(value, Array) else [value]
        if not found or not all(type(n) is int and low <= n <= high for n in found):
            self.refuse(f"says {name} is {str(value)[:40]}; it must be from {low} to {high}")
        return [int(n) for n in found if isinstance(n, int)]


def gguf_shape(header: Header, tensors: Iterable[Tensor], *, path: str) -> ModelShape:
    """The shape of a model with these tensors, one at least. Raises IntakeRefused."""
    kept = tuple(tensors)
    facts = Facts(header.metadata, path)
    hidden = facts.number("embedding_length", high=MAX_DIM)
    heads = facts.number("attention.head_count", high=MAX_HEADS)
    head_dim = facts.number("attention.key_length", high=MAX_DIM, default=max(1, hidden // heads))
    return ModelShape(
        architecture=facts.architecture,
        max_context=facts.number("context_length", high=MAX_CONTEXT),
        weights_bytes=sum(t.size for t in kept) + _kept_twice(kept),
        element_bytes=HALF_BYTES,
        hidden=hidden,
        intermediate=_intermediate(facts, hidden),
        heads=heads,
        head_dim=head_dim,
        vocab=_vocab(header, facts, kept),
        kv=_groups(facts, heads, head_dim),
        load_extra_bytes=max(t.size for t in kept),
        format=Format.GGUF,
        task=_task(facts),
        parameters=sum(t.elements for t in kept),
        quantization=_quantization(header, kept),
    )


def _kept_twice(tensors: tuple[Tensor, ...]) -> int:
    """An embedding that is the output too is kept once more, arranged for products of matrices."""
    named = {tensor.name: tensor for tensor in tensors}
    embedding = named.get("token_embd.weight")
    if embedding is None or "output.weight" in named or embedding.kind.block == 1:
        return 0
    return embedding.size


def _groups(facts: Facts, heads: int, key_dim: int) -> tuple[KvGroup, ...]:
    """Layers that cache alike, together; a file may give each layer heads of its own."""
    if facts.architecture in _ENCODERS:
        return ()
    layers = facts.number("block_count", high=MAX_LAYERS)
    value_dim = facts.number("attention.value_length", high=MAX_DIM, default=key_dim)
    kv_heads = facts.per_layer("attention.head_count_kv", layers, high=MAX_HEADS, default=heads)
    windows = _windows(facts, layers)
    counts = Counter(zip(kv_heads, windows, strict=True))
    return tuple(
        KvGroup(count, heads_kept, key_dim, value_dim, window)
        for (heads_kept, window), count in sorted(counts.items(), key=str)
        if heads_kept
    )


def _windows(facts: Facts, layers: int) -> list[int | None]:
    period = _WINDOWED.get(facts.architecture)
    name = "attention.sliding_window"
    if period is None or not facts.has(name):
        return [None] * layers
    window = facts.number(name, high=MAX_WINDOW, low=0)
    return [window if window and (n + 1) % period else None for n in range(layers)]


def _intermediate(facts: Facts, hidden: int) -> int:
    """Width of the widest feed-forward step; experts count once for each that a token visits."""
    dense = facts.number("feed_forward_length", high=MAX_WIDTH, default=4 * hidden, low=0)
    visited = facts.number("expert_used_count", high=1 << 16, default=0, low=0)
    expert = facts.number("expert_feed_forward_length", high=MAX_WIDTH, default=dense, low=0)
    return max(dense, visited * (expert + hidden), 1)


def _vocab(header: Header, facts: Facts, tensors: tuple[Tensor, ...]) -> int:
    """Rows of the output: what is listed, or what the embedding has, whichever is more."""
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    listed = tokens.count if isinstance(tokens, Array) else 0
    rows = (t.shape[-1] for t in tensors if t.name == "token_embd.weight" and len(t.shape) > 1)
    found = max(listed, *rows, facts.number("vocab_size", high=MAX_VOCAB, default=1))
    if listed == 0 or found > MAX_VOCAB:
        facts.refuse(f"has a vocabulary of {listed} tokens; 1 to {MAX_VOCAB} are possible")
    return found


def _task(facts: Facts) -> Task:
    silent = _POOLING_NONE if facts.architecture not in _ENCODERS else 1
    pooling = facts.number("pooling_type", high=16, default=silent, low=0)
    if pooling == _POOLING_RANK:
        return Task.RERANK
    return Task.GENERATE if pooling == _POOLING_NONE else Task.EMBED


def _quantization(header: Header, tensors: tuple[Tensor, ...]) -> str:
    """As the file calls itself, else what most of its bytes are."""
    named = header.metadata.get("general.file_type")
    if isinstance(named, int) and named in FILE_TYPES:
        return FILE_TYPES[named]
    sizes: Counter[str] = Counter()
    for tensor in tensors:
        sizes[tensor.kind.name] += tensor.size
    return sizes.most_common(1)[0][0] if sizes else ""
