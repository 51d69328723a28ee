"""docs/metrics.md: what is logged and counted, from the tables that decide it."""

from collections.abc import Sequence

from app.observability.logs import KEPT_LOGS, MAX_LOG_BYTES
from app.routers.measuring.series import (
    COUNTERS,
    GAUGES,
    HISTOGRAMS,
    MOST_MODELS,
    Series,
)
from app.routers.request_log import LINES_A_MINUTE, SLOW_S

_TEXT = """
# Logs and metrics

## The log

`LMX_HOME/logs/server.log` holds one JSON object per line: `timestamp` (UTC), `level`, `logger`,
`event` and whatever the event says. It belongs to its owner alone (mode 0600), is never written
through a link, and rotates at {size} MiB; {kept} older files are kept. On a full disk lines are
lost and counted (`lmx_log_lines_lost_total`); the server goes on. A file that cannot be rotated
grows to twice its size. `log_level` in `config.yaml` is `info` unless it says otherwise.

Every answer carries `x-request-id`, errors and streams too, and every line that was written while
that request was under way has the same `request_id`, on whatever thread. The id is the server's
own: one that a client sends is not read. Problem documents, refusals in the ledger and rows of
usage name it too.

A finished request is a line `request` with `method`, `route` (its template, never the path),
`status`, `ms`, `actor` (the id of a key) and, where it was refused, `code`. What went well is
logged at `debug` only, because a line costs more than the authority's own work on an answer. What
was refused, failed or took longer than {slow:g} s is logged at `info`, at most {lines} lines a
minute; the next line says under `unsaid` how many there were beyond that. Metrics count every
one.

```sh
grep 0badcafe0badcafe0badcafe0badcafe ~/.lmx/logs/server.log
```

## What is never in it

Prompts and answers are not logged at any level. What looks like a secret is replaced by
`[redacted]` wherever it stands, in messages, nested values, names and values of headers,
addresses, exceptions and their traces: keys of this server, tokens of the hub, of GitHub, GitLab,
Slack, AWS, Google and of model providers, JSON Web Tokens, private keys, what follows `Bearer` or
`Basic`, credentials in an address, and whatever stands behind a name such as `password`,
`api_key`, `token`, `secret` or `authorization`. The same redaction is applied to messages and
subjects of refusals before they enter the ledger. Numbers of tokens, digests, plan hashes and ids
of models stay.

A secret that looks like an ordinary word and stands behind no such name cannot be told from a
word. Texts that people write on purpose, such as the reason of an ask, are kept as they were
written.

## Metrics

`GET /metrics` shows them in Prometheus' text format and asks for no key; it is as reachable as
everything else here, from this machine alone. It names no person, no key and no text. A model has
a label of its own where `/v1/models` shows its id to everybody; with `inference_requires_key` it
is the beginning of its id's SHA-256 instead. At most {models} models are told apart, the rest is
`other`.

[prometheus.yaml](../services/deploy/prometheus/prometheus.yaml) is a scrape,
[alerts.yaml](../services/deploy/prometheus/alerts.yaml) are alerts, each with its part of
[alerts.md](alerts.md), and [dashboard.json](../services/deploy/grafana/dashboard.json) is a
dashboard to import into Grafana. A test checks that they name only what is listed here, and
another that a running server shows exactly this.

```sh
curl -s http://127.0.0.1:1234/metrics | grep lmx_model_
```
"""


def page() -> str:
    text = _TEXT.format(
        size=MAX_LOG_BYTES >> 20,
        kept=KEPT_LOGS,
        slow=SLOW_S,
        lines=LINES_A_MINUTE,
        models=MOST_MODELS,
    )
    return "\n\n".join(
        [
            text.strip(),
            _table("Counters", COUNTERS),
            _table("Histograms", HISTOGRAMS),
            _table("Gauges", GAUGES),
        ]
    )


def _table(heading: str, series: Sequence[Series]) -> str:
    rows = [f"| `{one.name}` | {_labels(one)} | {one.about} |" for one in series]
    return "\n".join(
        [f"### {heading}", "", "| series | labels | meaning |", "|---|---|---|", *rows]
    )


def _labels(series: Series) -> str:
    return ", ".join(f"`{label}`" for label in series.labels)
