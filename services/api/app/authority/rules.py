"""The only place that lists the hard rules: what is promised, where it is kept, what tests it.

Rules live in code. Configuration can tighten what they allow and never loosens it, and no API edits
them. Their digest is in the ledger's genesis and in every boot, so a server that ran under other
rules shows. `state` is honest about what this release does not keep yet, or has no occasion to.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import rfc8785


class Tier(StrEnum):
    """Critical: never overridden. Strict: per instance, confirmed, recorded."""

    CRITICAL = "critical"
    STRICT = "strict"


class State(StrEnum):
    """Kept in full; kept as far as this release goes; or still to come."""

    KEPT = "kept"
    PARTLY = "partly"
    NOT_YET = "not yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One promise. `tests` are files or test ids; `note` says what is missing, and its issue."""

    id: str
    tier: Tier
    sentence: str
    enforced_in: tuple[str, ...]
    tests: tuple[str, ...]
    state: State = State.KEPT
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "tier": str(self.tier),
            "sentence": self.sentence,
            "state": str(self.state),
            "note": self.note,
            "enforced_in": list(self.enforced_in),
            "tests": list(self.tests),
        }


_CONTRACTS: Final = "tests/architecture/test_contracts.py"
_ACCESS: Final = "tests/unit/permissions/test_permissions.py"
_KEYS: Final = "tests/unit/keys/test_keys.py"
_GUARDS: Final = "tests/unit/ledger/test_guards.py"
_FAULTS: Final = "tests/unit/ledger/test_fail_closed.py"
_ROUTES: Final = "tests/web/test_keys_on_every_route.py"
_E2E: Final = "tests/e2e/test_lost_workers.py"
_MINUTE: Final = "tests/e2e/test_first_minute.py"
_SETTINGS: Final = "tests/unit/start/test_settings.py"
_LOST: Final = "tests/faults/engine/test_lost_workers.py"
_WORKFLOW: Final = "tests/unit/approvals/test_workflow.py"
_RACES: Final = "tests/faults/approvals/test_races.py"

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        id="C01",
        tier=Tier.CRITICAL,
        sentence="Nothing leaves this machine: no cloud inference, no telemetry, no outbound "
        "connection by default. A model is fetched only after somebody saw from where, what is "
        "sent and every file, and confirmed that.",
        enforced_in=(".importlinter", "app.engines.process", "app.authority.pulling"),
        tests=(
            "tests/e2e/test_no_outbound.py",
            "tests/unit/pulling/test_pulls.py",
            f"{_CONTRACTS}::test_contract_bites",
            "tests/architecture/test_lint.py",
        ),
    ),
    Rule(
        id="C02",
        tier=Tier.CRITICAL,
        sentence="Nothing destructive happens without an approval whose confirmation was typed; no "
        "flag skips it.",
        enforced_in=(
            "app.authority.warrants",
            "app.authority.approvals.executing",
            "app.authority.policy.hard",
        ),
        tests=(_WORKFLOW, _RACES, "tests/unit/policy/test_hard.py"),
    ),
    Rule(
        id="C03",
        tier=Tier.CRITICAL,
        sentence="Nothing is posted anywhere.",
        enforced_in=(".importlinter",),
        tests=(f"{_CONTRACTS}::test_contract_bites",),
    ),
    Rule(
        id="C04",
        tier=Tier.CRITICAL,
        sentence="Hard rules live in code, configuration can only tighten them, no API edits them, "
        "and their digest is in the ledger.",
        enforced_in=("app.authority.rules", "app.wiring.opening"),
        tests=("tests/unit/rules/test_rules.py",),
    ),
    Rule(
        id="C05",
        tier=Tier.CRITICAL,
        sentence="Authority routes need a key of the right role; keys are kept as hashes, shown "
        "once and revocable; a lost operator key is replaced at the machine's console, on record: "
        "`lmx keys recover`. Inference on loopback is open unless one setting closes it.",
        enforced_in=("app.authority.permissions", "app.authority.keys.store"),
        tests=(_ACCESS, _KEYS, _ROUTES, "tests/unit/keys/test_recovering.py"),
    ),
    Rule(
        id="C06",
        tier=Tier.CRITICAL,
        sentence="No code from a model runs: safetensors and GGUF only, no pickle, no remote code; "
        "chat templates render in the worker's sandbox. Dependencies are pinned by hash.",
        enforced_in=("app.authority.catalog.intake", "app.engines.worker", ".importlinter"),
        tests=(
            "tests/faults/catalog/test_bad_models.py",
            f"{_CONTRACTS}::test_contract_bites",
            "tests/architecture/test_locks.py",
        ),
    ),
    Rule(
        id="C08",
        tier=Tier.CRITICAL,
        sentence="The server binds to loopback only, checks Host and Origin, and closes CORS.",
        enforced_in=("app.settings", "app.routers"),
        tests=(
            f"{_SETTINGS}::test_no_configuration_binds_beyond_loopback",
            "tests/web/test_edge.py",
        ),
    ),
    Rule(
        id="S02",
        tier=Tier.CRITICAL,
        sentence="No key, prompt or weight is in a log, an error or the ledger.",
        enforced_in=(
            "app.observability",
            "app.authority.ledger.refusals",
            "app.routers.authority.free_text",
        ),
        tests=(
            "tests/e2e/test_canaries.py",
            "tests/unit/observability/test_redaction.py",
            f"{_KEYS}::test_no_secret_is_in_the_ledger_the_database_or_a_repr",
        ),
    ),
    Rule(
        id="S04",
        tier=Tier.CRITICAL,
        sentence="Models are answered by this machine: no client of a cloud provider can be "
        "imported.",
        enforced_in=(".importlinter",),
        tests=(f"{_CONTRACTS}::test_contract_bites", "tests/architecture/test_lint.py"),
    ),
    Rule(
        id="G-LMX-01",
        tier=Tier.CRITICAL,
        sentence="No load takes more memory than the budget; idle models make room, pinned and "
        "busy ones never do.",
        enforced_in=("app.authority.feasibility", "app.authority.lifecycle.admission"),
        tests=(
            "tests/unit/feasibility/test_budget.py",
            "tests/unit/feasibility/test_need.py",
            "tests/properties/test_eviction.py",
        ),
    ),
    Rule(
        id="G-LMX-02",
        tier=Tier.CRITICAL,
        sentence="Only files whose digests are verified or pinned are loaded, and a load checks "
        "them again.",
        enforced_in=("app.authority.catalog.verification",),
        tests=(
            "tests/unit/catalog/test_verification.py",
            f"{_MINUTE}::test_the_answer_came_from_a_verified_feasible_recorded_load",
        ),
    ),
    Rule(
        id="G-LMX-03",
        tier=Tier.CRITICAL,
        sentence="What is logged is redacted by value, in nested data and in messages.",
        enforced_in=("app.observability",),
        tests=("tests/unit/observability/test_redaction.py",),
    ),
    Rule(
        id="G-LMX-04",
        tier=Tier.CRITICAL,
        sentence="Inference is local only.",
        enforced_in=(".importlinter", "app.engines.worker"),
        tests=(
            f"{_CONTRACTS}::test_contract_bites",
            f"{_LOST}::test_a_worker_sees_no_secret_of_the_server",
        ),
    ),
    Rule(
        id="G-LMX-05",
        tier=Tier.CRITICAL,
        sentence="The server survives everything its workers do.",
        enforced_in=("app.engines.supervisor", "app.authority.lifecycle.serving"),
        tests=(
            _LOST,
            "tests/faults/engine/test_misbehaving_workers.py",
            _E2E,
        ),
    ),
    Rule(
        id="G-LMX-06",
        tier=Tier.STRICT,
        sentence="OpenAI clients work unchanged.",
        enforced_in=("app.routers.openai",),
        tests=("tests/web/test_requests.py", "tests/web/test_streaming.py"),
        state=State.PARTLY,
        note="Models, chat completions and completions; the other endpoints come later.",
    ),
    Rule(
        id="G-DEPLOY-01",
        tier=Tier.STRICT,
        sentence="The server runs as a service with persistent, rotated logs.",
        enforced_in=("app.observability", "app.cli.service_units"),
        tests=("tests/unit/observability/test_log_files.py", "tests/unit/service/test_units.py"),
    ),
    Rule(
        id="G-DEPLOY-02",
        tier=Tier.STRICT,
        sentence="The port is 1234; another one is a recorded override, which a service refuses.",
        enforced_in=("app.settings", "app.wiring.opening", "app.cli.service_wanted"),
        tests=(
            f"{_SETTINGS}::test_without_a_file_the_defaults_hold",
            "tests/cli/test_cli_service.py::test_another_port_is_refused_with_what_to_do",
        ),
    ),
    Rule(
        id="G-DEPLOY-03",
        tier=Tier.STRICT,
        sentence="Configuration starts from versioned templates.",
        enforced_in=("app.settings", "app.home"),
        tests=(f"{_SETTINGS}::test_the_template_shows_every_setting_with_its_default",),
    ),
    Rule(
        id="RMOS-1",
        tier=Tier.CRITICAL,
        sentence="The server computes feasibility for every act; a client's own is refused.",
        enforced_in=("app.authority.feasibility", "app.routers.authority"),
        tests=(f"{_ROUTES}::test_a_field_that_is_unknown_or_wrong_is_refused_by_name",),
    ),
    Rule(
        id="RMOS-2",
        tier=Tier.CRITICAL,
        sentence="A destructive act needs an approved plan that is still the plan when it is done.",
        enforced_in=("app.authority.approvals.plans", "app.authority.approvals.executing"),
        tests=(_WORKFLOW, _RACES),
    ),
    Rule(
        id="POLICY",
        tier=Tier.CRITICAL,
        sentence="What no rule allows is denied, a rule that fails denies, and deny stands over "
        "approval, which stands over allow. The settings can only ask for more.",
        enforced_in=("app.authority.policy.hard", "app.authority.policy.admitting"),
        tests=("tests/unit/policy/test_hard.py", "tests/properties/test_policy.py"),
    ),
    Rule(
        id="RMOS-3",
        tier=Tier.CRITICAL,
        sentence="Every attempt is on record, refused ones too, and outlives any rollback.",
        enforced_in=(
            "app.authority.ledger.store",
            "app.authority.ledger.refusals",
            "app.authority.ledger.runs",
        ),
        tests=(
            "tests/unit/ledger/test_refusals.py",
            "tests/unit/ledger/test_recording.py",
            f"{_E2E}::test_an_unload_cut_off_by_a_killed_server_is_reconciled_at_the_next_start",
            "tests/unit/runs/test_runs_kept.py",
        ),
    ),
    Rule(
        id="GUARDRAILS",
        tier=Tier.STRICT,
        sentence="Guardrails only tighten; what decides changes by a person's approval and is what "
        "the ledger recorded; every decision of theirs can be made again from its record.",
        enforced_in=("app.authority.guardrails.policy", "app.authority.guardrails.standing"),
        tests=(
            "tests/unit/guardrails/test_policy.py",
            "tests/unit/guardrails/test_standing.py",
            "tests/unit/guardrails/test_changes_decisions.py",
        ),
    ),
    Rule(
        id="ADVICE",
        tier=Tier.CRITICAL,
        sentence="Advice cannot act. It sees facts without prompts, keys or names and returns "
        "proposals, which are untrusted; nothing follows from one until a person accepts it, and "
        "then feasibility, policy and approval decide as about any act of that person.",
        enforced_in=(
            ".importlinter",
            "tools/boundary_rules.py",
            "app.authority.advice.untrusted",
            "app.authority.advice.accepting",
            "app.authority.permissions",
        ),
        tests=(
            f"{_CONTRACTS}::test_contract_bites",
            "tests/architecture/test_boundary.py",
            "tests/unit/advice/test_untrusted.py",
            "tests/unit/advice/test_proposing.py",
            "tests/e2e/test_advice.py",
            "tests/e2e/test_bots.py",
        ),
    ),
    Rule(
        id="ADVISORS-KEY",
        tier=Tier.CRITICAL,
        sentence="An advisor's key reads the snapshot and proposes; every other route refuses it, "
        "on record.",
        enforced_in=("app.routers.door", "app.authority.permissions"),
        tests=("tests/web/test_advisors_door.py", _ACCESS),
    ),
    Rule(
        id="WALLED-IN",
        tier=Tier.CRITICAL,
        sentence="Advisors of this server run in a process of their own that can open, connect to "
        "and start nothing; what one is seen to try is recorded, the server goes on, and a wall "
        "that does not stand on a machine is said, not assumed.",
        enforced_in=("app.walled", "app.engines.advisor_host", "app.engines.advisor_process"),
        tests=("tests/hostile/test_reaching_the_authority.py", "tests/cli/test_cli_doctor.py"),
    ),
    Rule(
        id="VERIFIABLE",
        tier=Tier.CRITICAL,
        sentence="An event counts as recorded once it is durable, read back, under a checkpoint "
        "that the signer remembers, and in a copy outside the database; whoever holds the key can "
        "check that without this server.",
        enforced_in=(
            "app.authority.ledger.writer",
            "app.authority.ledger.signing.signer",
            "app.authority.ledger.sinks.set",
            "app.evidence.verification",
        ),
        tests=(
            "tests/unit/ledger/test_opening.py",
            "tests/unit/ledger/test_signing.py",
            "tests/properties/test_verification.py",
            "tests/verify_export/test_attacks_on_an_export.py",
        ),
    ),
    Rule(
        id="AUDITED-READS",
        tier=Tier.STRICT,
        sentence="Reading and exporting the ledger are recorded; an auditor's key reads everything "
        "and changes nothing.",
        enforced_in=("app.authority.ledger.reads", "app.authority.permissions"),
        tests=(
            "tests/unit/ledger/test_reads.py",
            f"{_ACCESS}::test_an_auditor_changes_nothing",
        ),
    ),
    Rule(
        id="ERASABLE-NAMES",
        tier=Tier.STRICT,
        sentence="A person's name is in one row that can be erased; the ledger holds a salted hash "
        "of it, and no proof breaks.",
        enforced_in=("app.authority.keys.people",),
        tests=("tests/unit/keys/test_people.py",),
    ),
    Rule(
        id="FAIL-CLOSED",
        tier=Tier.CRITICAL,
        sentence="An act that cannot be recorded does not happen; resident models still answer.",
        enforced_in=("app.authority.ledger.store",),
        tests=(_FAULTS, _GUARDS, "tests/unit/lifecycle/test_recorded_or_undone.py"),
    ),
    Rule(
        id="HONEST",
        tier=Tier.CRITICAL,
        sentence="What is not promised is said: whoever owns this machine can rewrite history "
        "while no checkpoint is held elsewhere.",
        enforced_in=("SECURITY.md", "app.authority.rules", "app.authority.auditing.standing"),
        tests=("tests/unit/rules/test_rules.py", "tests/unit/auditing/test_standing.py"),
    ),
)


def rules_digest() -> str:
    """Return the SHA-256 (hex) of what the rules say; moving code or tests does not change it."""
    said = [[r.id, str(r.tier), r.sentence, str(r.state), r.note] for r in RULES]
    return hashlib.sha256(rfc8785.dumps(said)).hexdigest()
