"""Every series that /metrics shows: its name, kind, labels and meaning. Nothing else is shown.

Labels are bounded: routes are templates, codes and outcomes come from tables, models from the
catalog and at most `MOST_MODELS` of them. No label ever holds what a client wrote.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MOST_MODELS: Final = 100
"""Models with a label of their own; what comes after them is counted as `other`."""


class Type(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Series:
    """One family. `buckets`: upper bounds of a histogram, in its unit."""

    name: str
    type: Type
    about: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


ANSWER_S: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
)  # fmt: skip
FIRST_S: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
WAIT_S: Final = (0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
LOAD_S: Final = (0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640)

COUNTERS: Final = (
    Series(
        "lmx_requests_total",
        Type.COUNTER,
        "Answered requests. Status 499: the client left before its answer began.",
        ("method", "route", "status"),
    ),
    Series("lmx_refusals_total", Type.COUNTER, "Refused requests, by code.", ("code",)),
    Series(
        "lmx_tokens_total",
        Type.COUNTER,
        "Tokens read (prompt) and generated (completion).",
        ("kind", "model"),
    ),
    Series(
        "lmx_answers_total",
        Type.COUNTER,
        "Requests that reached a model: answered, cancelled, or the code of a refusal.",
        ("model", "outcome"),
    ),
    Series(
        "lmx_generation_seconds_total",
        Type.COUNTER,
        "Seconds from the first text of an answer to its end, added up.",
        ("model",),
    ),
    Series("lmx_loads_total", Type.COUNTER, "Loads: loaded, failed or abandoned.", ("outcome",)),
    Series(
        "lmx_unloads_total",
        Type.COUNTER,
        "Unloads. evicted: to make room for another model; idle: nobody used it.",
        ("reason",),
    ),
    Series("lmx_worker_losses_total", Type.COUNTER, "Workers that ended without being told to."),
    Series(
        "lmx_quarantines_total", Type.COUNTER, "Models that were quarantined: too many crashes."
    ),
    Series(
        "lmx_log_lines_lost_total",
        Type.COUNTER,
        "Lines of the log that could not be written, by a full disk for example.",
    ),
    Series("process_cpu_seconds_total", Type.COUNTER, "Processor time of the server itself."),
)

HISTOGRAMS: Final = (
    Series(
        "lmx_request_seconds",
        Type.HISTOGRAM,
        "From a request's first byte to the end of its answer.",
        ("surface",),
        ANSWER_S,
    ),
    Series(
        "lmx_first_token_seconds",
        Type.HISTOGRAM,
        "From the request to the first text of its answer.",
        (),
        FIRST_S,
    ),
    Series(
        "lmx_queue_wait_seconds",
        Type.HISTOGRAM,
        "How long requests waited for their turn at a loaded model.",
        (),
        WAIT_S,
    ),
    Series("lmx_load_seconds", Type.HISTOGRAM, "How long loads took that succeeded.", (), LOAD_S),
)

GAUGES: Final = (
    Series("lmx_build_info", Type.GAUGE, "Always 1.", ("version", "python")),
    Series(
        "lmx_safe_mode",
        Type.GAUGE,
        "1 while no model is loaded by itself, because the server kept crashing.",
    ),
    Series("lmx_requests_in_progress", Type.GAUGE, "Requests under way.", ("surface",)),
    Series("lmx_models", Type.GAUGE, "Models by the state of their residency.", ("state",)),
    Series("lmx_model_active", Type.GAUGE, "Sequences that a model works on.", ("model",)),
    Series("lmx_model_queued", Type.GAUGE, "Sequences that wait for a model.", ("model",)),
    Series("lmx_queue_limit", Type.GAUGE, "How many sequences may wait for one model."),
    Series(
        "lmx_model_resident_bytes", Type.GAUGE, "Memory that a model's worker holds.", ("model",)
    ),
    Series("lmx_model_promised_bytes", Type.GAUGE, "Memory that a model was promised.", ("model",)),
    Series(
        "lmx_memory_bytes",
        Type.GAUGE,
        "total and available: of the machine; promised: to workers and not taken yet; budget: "
        "what a load may take now.",
        ("term",),
    ),
    Series("lmx_memory_reading_age_seconds", Type.GAUGE, "Age of the reading of memory."),
    Series("lmx_disk_free_bytes", Type.GAUGE, "Room on the volume of LMX_HOME."),
    Series("lmx_disk_total_bytes", Type.GAUGE, "Size of the volume of LMX_HOME."),
    Series("lmx_ledger_events", Type.GAUGE, "Events in the ledger."),
    Series("lmx_ledger_available", Type.GAUGE, "1 while it can be written."),
    Series("lmx_ledger_unsigned", Type.GAUGE, "Events beyond the newest checkpoint."),
    Series(
        "lmx_ledger_held_outside",
        Type.GAUGE,
        "Events under the newest checkpoint that a witness cosigned.",
    ),
    Series("lmx_ledger_sink_lag", Type.GAUGE, "Events that a copy lacks.", ("required",)),
    Series(
        "lmx_ledger_disk_warning_percent",
        Type.GAUGE,
        "The level of fullness that the volume has passed: 75, 90, or 0.",
    ),
    Series(
        "lmx_ledger_reserve_in_use",
        Type.GAUGE,
        "1 while the disk is full and only what must be written is.",
    ),
    Series("lmx_approvals_pending", Type.GAUGE, "Asks that wait for a person."),
    Series("lmx_approvals_oldest_seconds", Type.GAUGE, "Age of the oldest of them; 0: none."),
    Series("lmx_proposals_open", Type.GAUGE, "Proposals of advisors that wait for a person."),
    Series("process_resident_memory_bytes", Type.GAUGE, "Memory of the server, without workers."),
    Series("process_open_fds", Type.GAUGE, "Files and connections that the server has open."),
    Series("process_max_fds", Type.GAUGE, "How many it may have open."),
    Series("process_start_time_seconds", Type.GAUGE, "When it was started, in Unix seconds."),
)

SERIES: Final = (*COUNTERS, *HISTOGRAMS, *GAUGES)
"""All of them, in the order in which docs/metrics.md lists them."""
