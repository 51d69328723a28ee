"""llama.cpp's own C interface, as it is inside the xllamacpp wheel; nothing of it listens.

xllamacpp's classes reach a model only through a server that opens a socket. The shared library that
they are made of exports llama.cpp's functions too, and these are called here: no server, no port,
no HTTP, and the logits themselves. The structures below are passed by value, so their layout has to
be that of the library exactly. `open_library` proves that with the defaults the library gives back,
and refuses one that it does not know.
"""

import ctypes
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from app.engines.worker.backend import CannotLoad

NO_MAPPING: Final = 0
"""`load_mode`: weights are read into memory of the process, none of it is a view of a file."""

_int, _uint, _float, _flag, _pointer = (
    ctypes.c_int32,
    ctypes.c_uint32,
    ctypes.c_float,
    ctypes.c_bool,
    ctypes.c_void_p,
)
_text, _size = ctypes.c_char_p, ctypes.c_size_t
_Column = tuple[str, Any]


def _columns(kind: Any, names: str) -> list[_Column]:
    return [(name, kind) for name in names.split()]


# Room behind each structure: a longer one in the library would write past the end of ours.
_SLACK: Final[_Column] = ("slack", ctypes.c_char * 256)


class ModelParams(ctypes.Structure):
    _fields_ = (
        *_columns(_pointer, "devices tensor_buft_overrides"),
        *_columns(_int, "n_gpu_layers split_mode load_mode lazy_mode main_gpu"),
        *_columns(_pointer, "tensor_split progress_callback progress_user_data kv_overrides"),
        *_columns(_flag, "vocab_only check_tensors use_extra_bufts no_host no_alloc load_mtp"),
        _SLACK,
    )


class ContextParams(ctypes.Structure):
    _fields_ = (
        *_columns(_uint, "n_ctx n_batch n_ubatch n_seq_max n_rs_seq n_outputs_max"),
        *_columns(_uint, "n_outputs_max_per_seq"),
        *_columns(_int, "n_threads n_threads_batch ctx_type rope_scaling_type pooling_type"),
        *_columns(_int, "attention_type flash_attn_type"),
        *_columns(_float, "rope_freq_base rope_freq_scale yarn_ext_factor yarn_attn_factor"),
        *_columns(_float, "yarn_beta_fast yarn_beta_slow"),
        *_columns(_uint, "yarn_orig_ctx"),
        *_columns(_float, "defrag_thold"),
        *_columns(_pointer, "cb_eval cb_eval_user_data"),
        *_columns(_int, "type_k type_v"),
        *_columns(_pointer, "callback_1 callback_2 callback_3"),  # never set here
        *_columns(_flag, "embeddings offload_kqv no_perf op_offload swa_full kv_unified"),
        *_columns(_pointer, "samplers"),
        *_columns(_size, "n_samplers"),
        *_columns(_pointer, "ctx_other"),
        _SLACK,
    )


class Batch(ctypes.Structure):
    _fields_ = (
        ("n_tokens", _int),
        *_columns(_pointer, "token embd pos n_seq_id seq_id logits"),
    )


_LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, _text, _pointer)
_ABORT = ctypes.CFUNCTYPE(None, _text)

_FUNCTIONS: Mapping[str, tuple[Any, Sequence[Any]]] = MappingProxyType(
    {
        "llama_backend_init": (None, ()),
        "llama_log_set": (None, (_LOG, _pointer)),
        "ggml_set_abort_callback": (_pointer, (_ABORT,)),
        "llama_model_default_params": (ModelParams, ()),
        "llama_context_default_params": (ContextParams, ()),
        "llama_model_load_from_file": (_pointer, (_text, ModelParams)),
        "llama_init_from_model": (_pointer, (_pointer, ContextParams)),
        "llama_free": (None, (_pointer,)),
        "llama_model_free": (None, (_pointer,)),
        "llama_model_get_vocab": (_pointer, (_pointer,)),
        "llama_model_meta_val_str": (_int, (_pointer, _text, _pointer, _size)),
        "llama_model_n_swa": (_int, (_pointer,)),
        "llama_model_n_embd_out": (_int, (_pointer,)),
        "llama_model_n_cls_out": (_uint, (_pointer,)),
        "llama_model_has_encoder": (_flag, (_pointer,)),
        "llama_model_is_diffusion": (_flag, (_pointer,)),
        "llama_pooling_type": (_int, (_pointer,)),
        "llama_n_ctx_seq": (_uint, (_pointer,)),
        "llama_set_n_threads": (None, (_pointer, _int, _int)),
        "llama_decode": (_int, (_pointer, Batch)),
        "llama_encode": (_int, (_pointer, Batch)),
        "llama_get_logits": (_pointer, (_pointer,)),
        "llama_get_embeddings_seq": (_pointer, (_pointer, _int)),
        "llama_get_memory": (_pointer, (_pointer,)),
        "llama_memory_clear": (None, (_pointer, _flag)),
        "llama_memory_seq_rm": (_flag, (_pointer, _int, _int, _int)),
        "llama_memory_seq_cp": (None, (_pointer, _int, _int, _int, _int)),
        "llama_memory_seq_pos_min": (_int, (_pointer, _int)),
        "llama_tokenize": (_int, (_pointer, _text, _int, _pointer, _int, _flag, _flag)),
        "llama_token_to_piece": (_int, (_pointer, _int, _pointer, _int, _int, _flag)),
        "llama_vocab_n_tokens": (_int, (_pointer,)),
        "llama_vocab_type": (_int, (_pointer,)),
        "llama_vocab_get_text": (_text, (_pointer, _int)),
        "llama_vocab_is_eog": (_flag, (_pointer, _int)),
        "llama_vocab_get_attr": (_int, (_pointer, _int)),
        "llama_vocab_bos": (_int, (_pointer,)),
        "llama_vocab_eos": (_int, (_pointer,)),
        "llama_vocab_get_add_bos": (_flag, (_pointer,)),
        "llama_vocab_get_add_eos": (_flag, (_pointer,)),
    }
)

# What the library of these structures gives for its defaults. Another layout gives other values.
_MODEL_DEFAULTS = {
    "devices": None,
    "n_gpu_layers": -1,
    "split_mode": 1,
    "load_mode": -1,
    "lazy_mode": 1,
    "main_gpu": 0,
    "kv_overrides": None,
    "vocab_only": False,
    "check_tensors": False,
    "use_extra_bufts": True,
    "no_alloc": False,
}
_CONTEXT_DEFAULTS = {
    "n_ctx": 512,
    "n_batch": 2048,
    "n_ubatch": 512,
    "n_seq_max": 1,
    "n_outputs_max": 0,
    "n_outputs_max_per_seq": 1,
    "rope_scaling_type": -1,
    "pooling_type": -1,
    "attention_type": -1,
    "flash_attn_type": -1,
    "yarn_ext_factor": -1.0,
    "defrag_thold": -1.0,
    "type_k": 1,
    "type_v": 1,
    "embeddings": False,
    "offload_kqv": True,
    "op_offload": True,
    "kv_unified": False,
    "n_samplers": 0,
    "ctx_other": None,
}


class Library:
    """The functions, and the last lines that llama.cpp wrote about what went wrong."""

    def __init__(self, loaded: ctypes.CDLL) -> None:
        self.call = loaded
        self.complaints: deque[str] = deque(maxlen=8)
        self.on_abort: Callable[[str], None] = lambda _: None
        # Kept here: a callback that is collected crashes whoever calls it.
        self._callbacks = (_LOG(self._heard), _ABORT(self._aborted))

    def begin(self) -> None:
        """Initialize llama.cpp for this process, quietly."""
        log, abort = self._callbacks
        self.call.llama_log_set(log, None)
        self.call.ggml_set_abort_callback(abort)
        self.call.llama_backend_init()

    def _heard(self, level: int, text: bytes | None, _: object) -> None:
        if level in _COMPLAINTS and text:
            self.complaints.append(text.decode(errors="replace").strip())

    def _aborted(self, text: bytes | None) -> None:
        self.on_abort((text or b"").decode(errors="replace").strip())


_COMPLAINTS = (3, 4)  # warnings and errors


@lru_cache(maxsize=1)
def open_library() -> Library:
    """The library of this process. Raises `CannotLoad` if it is not the one that we know."""
    found = find_spec("xllamacpp")
    if found is None or found.origin is None:
        raise CannotLoad("xllamacpp is not installed: GGUF needs it.")
    paths = sorted(Path(found.origin).parent.glob("xllamacpp*.so"))
    if not paths:
        raise CannotLoad("xllamacpp has no shared library here: reinstall it.")
    loaded = ctypes.CDLL(os.fspath(paths[0]))
    for name, (result, arguments) in _FUNCTIONS.items():
        try:
            function = getattr(loaded, name)
        except AttributeError as error:
            raise CannotLoad(_UNKNOWN.format(f"no {name}")) from error
        function.restype, function.argtypes = result, list(arguments)
    _check(loaded.llama_model_default_params(), _MODEL_DEFAULTS)
    _check(loaded.llama_context_default_params(), _CONTEXT_DEFAULTS)
    library = Library(loaded)
    library.begin()
    return library


_UNKNOWN = (
    "This xllamacpp holds another llama.cpp than this server was made for ({}). Install the version"
    " that requirements/ names."
)


def _check(params: ctypes.Structure, expected: Mapping[str, object]) -> None:
    for name, value in expected.items():
        if getattr(params, name) != value:
            raise CannotLoad(_UNKNOWN.format(f"{name} is {getattr(params, name)}"))
