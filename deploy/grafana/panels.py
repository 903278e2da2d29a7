"""What the dashboards show: one of everything, and one for each feature, as data.

`S` stands for the chosen services. A panel with a target is a number beside it; the others are drawn over time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

S: Final = 'service=~"$service"'
RATE: Final = "[$__rate_interval]"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        title: What it shows.
        description: What to think of it.
        queries: PromQL by legend; the legend may name labels.
        unit: As Grafana calls it.
        target: From here on a value is bad; `None`: a graph without a judgement.
        low: Whether bad is below the target.
    """

    title: str
    description: str
    queries: dict[str, str]
    unit: str = "short"
    target: float | None = None
    low: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard: rows of panels.

    Attributes:
        name: Its file, and the end of its uid.
    """

    name: str
    title: str
    description: str
    rows: dict[str, tuple[Panel, ...]]


def rate(metric: str, by: str, matchers: str = S) -> str:
    """How much a counter rises in a second."""
    return f"sum by ({by}) (rate({metric}{{{matchers}}}{RATE}))"


def quantiles(histogram: str, by: str) -> dict[str, str]:
    """Median and P99 of a histogram."""
    rates = rate(f"{histogram}_bucket", f"{by}, le")
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return {f"{legend} p{q}": f"histogram_quantile(0.{q}, {rates})" for q in (50, 99)}


def flag(feature: str) -> Panel:
    """The feature's flag, by process."""
    return Panel(
        "Flag",
        "The share of keys that the feature is on for, as each process sees it.",
        {"{{service}} {{instance}}": f'quickwins_flag{{{S},feature="{feature}"}}'},
        unit="percentunit",
    )


OVERVIEW: Final = Board(
    "overview",
    "quickwins: overview",
    "Flags, success metrics against their targets, and ramps.",
    {
        "Success metrics": (
            Panel(
                "P99, one hour",
                "All endpoints of all services. Target: 200 to 300 ms.",
                {"P99": "quickwins:quickwins_request_seconds:p99_rate1h"},
                unit="s",
                target=0.3,
            ),
            Panel(
                "Errors, five minutes",
                "5xx by all requests, over all services, without refusals. Target: below 0.2 %.",
                {"errors": "quickwins:quickwins_errors:ratio_rate5m"},
                unit="percentunit",
                target=0.002,
            ),
            Panel(
                "Errors and refusals, five minutes",
                "The same with what backpressure refused: a 503 for clients.",
                {"errors and refusals": "quickwins:quickwins_errors_refusals:ratio_rate5m"},
                unit="percentunit",
                target=0.002,
            ),
            Panel(
                "Cascades today",
                "A service crashed, and another one had errors. Target: none.",
                {
                    "cascades": "resets(quickwins:quickwins_cascade:bool[1d]) + quickwins:quickwins_cascade:bool"
                },
                target=1,
            ),
            Panel(
                "Cache hits, one hour",
                "Of all policies. Target: 60 to 70 %; each policy's is on the cache's dashboard.",
                {"hits": "quickwins:graphql_query_cache_hits:ratio_rate1h"},
                unit="percentunit",
                target=0.6,
                low=True,
            ),
            Panel(
                "Fullest pool",
                "Connections in use by the pool's size. Target: below 85 %.",
                {"pool": f"max(service_name:db_pool_utilization:max{{{S}}})"},
                unit="percentunit",
                target=0.85,
            ),
        ),
        "Flags": (
            Panel(
                "Features",
                "The share of keys each feature is on for: 1 is on, 0 is off.",
                {"{{service}} {{feature}}": f"max by (service, feature) (quickwins_flag{{{S}}})"},
                unit="percentunit",
            ),
            Panel(
                "Changes",
                "Changes of flags that processes saw. Steps elsewhere that begin here are suspects.",
                {"{{service}} {{feature}}": rate("quickwins_flag_changes_total", "service, feature")},
            ),
            Panel(
                "Sources",
                "1 while a source of flags can be read; 0: the last good flags are kept.",
                {"{{service}} {{source}}": f"min by (service, source) (quickwins_flag_source_up{{{S}}})"},
            ),
        ),
        "Services": (
            Panel(
                "Requests",
                "How many a second.",
                {"{{service}}": f"service:quickwins_requests:rate5m{{{S}}}"},
                unit="reqps",
            ),
            Panel(
                "Errors and refusals",
                "The share of requests that failed, and that was refused, in five minutes.",
                {
                    "{{service}} errors": f"service:quickwins_errors:ratio_rate5m{{{S}}}",
                    "{{service}} refused": f"service:quickwins_refusals:ratio_rate5m{{{S}}}",
                },
                unit="percentunit",
            ),
            Panel(
                "P99",
                "Over one hour, all endpoints.",
                {"{{service}}": f"service:quickwins_request_seconds:p99_rate1h{{{S}}}"},
                unit="s",
            ),
            Panel(
                "Budget",
                "Errors over six hours and three days; 0.2 % for a month is what there is.",
                {
                    "{{service}} 6 h": f"service:quickwins_errors:ratio_rate6h{{{S}}}",
                    "{{service}} 3 d": f"service:quickwins_errors:ratio_rate3d{{{S}}}",
                },
                unit="percentunit",
            ),
            Panel(
                "CPU",
                "Processors in use, for each service. Target: stable or falling.",
                {"{{service}}": f"service:process_cpu_seconds:rate5m{{{S}}}"},
            ),
            Panel(
                "Memory",
                "Of the largest process. Target: stable.",
                {"{{service}}": f"service:process_resident_memory_bytes:max{{{S}}}"},
                unit="bytes",
            ),
        ),
        "Ramps: with a feature, and without": (
            Panel(
                "Requests by arm",
                "In five minutes, with the feature on and off.",
                {
                    "{{service}} {{feature}} {{cohort}}": f"service_feature_cohort:quickwins_requests:increase5m{{{S}}}"
                },
            ),
            Panel(
                "Errors by arm",
                "Above 1 % with the feature alone, it is taken back.",
                {
                    "{{service}} {{feature}} {{cohort}}": f"service_feature_cohort:quickwins_errors:ratio_rate5m{{{S}}}"
                },
                unit="percentunit",
            ),
            Panel(
                "P99 by arm",
                "More than 10 % above the arm without the feature, it is taken back.",
                {
                    "{{service}} {{feature}} {{cohort}}": f"service_feature_cohort:quickwins_request_seconds:p99_rate1h{{{S}}}"
                },
                unit="s",
            ),
        ),
    },
)

BACKPRESSURE: Final = Board(
    "backpressure",
    "quickwins: backpressure",
    "Pools and gates: how full they are, who waits, and who is refused.",
    {
        "Pools": (
            flag("backpressure"),
            Panel(
                "Utilisation",
                "Connections in use by the pool's size. Above 85 % for minutes, somebody is paged.",
                {"{{service}} {{name}}": f"service_name:db_pool_utilization:max{{{S}}}"},
                unit="percentunit",
            ),
            Panel(
                "In use, and the limit",
                "Permits by priority, and from which number on the gate admits nobody of normal priority.",
                {
                    "{{service}} {{name}} {{priority}}": f"sum by (service, name, priority) (db_pool_permits_inflight{{{S}}})",
                    "{{service}} {{name}} limit": f"sum by (service, name) (db_pool_limit{{{S}}})",
                },
            ),
            Panel(
                "Waiting",
                "Callers in the gate's line.",
                {"{{service}} {{name}}": f"sum by (service, name) (db_pool_waiting{{{S}}})"},
            ),
        ),
        "Refusals": (
            Panel(
                "Refused",
                "By reason, each second.",
                {"{{name}} {{reason}}": rate("db_pool_exhausted_total", "service, name, reason")},
            ),
            Panel(
                "Would be refused",
                "By gates in shadow mode, which let all pass.",
                {"{{name}} {{reason}}": rate("db_pool_shadow_rejected_total", "service, name, reason")},
            ),
            Panel(
                "Nested",
                "Second connections taken by tasks that hold one: each is one step from a deadlock.",
                {"{{service}} {{name}}": rate("db_pool_nested_total", "service, name")},
            ),
        ),
        "Time": (
            Panel(
                "In line",
                "How long callers waited that found no permit at once.",
                quantiles("db_pool_queue_delay_seconds", "service, name"),
                unit="s",
            ),
            Panel(
                "Until a connection",
                "The line and connecting, by outcome.",
                quantiles("db_pool_acquire_duration_seconds", "name, outcome"),
                unit="s",
            ),
            Panel(
                "Held",
                "How long connections were held: the number that explains the others.",
                quantiles("db_pool_held_seconds", "service, name"),
                unit="s",
            ),
        ),
    },
)

CHANNELS: Final = Board(
    "channels",
    "quickwins: channels",
    "gRPC channels of several connections.",
    {
        "Connections": (
            flag("channels"),
            Panel(
                "By state",
                "What the connections are good for.",
                {"{{name}} {{state}}": f"sum by (service, name, state) (grpc_pool_members{{{S}}})"},
            ),
            Panel(
                "Mode",
                "What a channel is made of now.",
                {"{{name}} {{mode}}": f"max by (service, name, mode) (grpc_pool_mode{{{S}}})"},
            ),
            Panel(
                "Replaced",
                "For their age, on request, ejected, or silent; and rotations by outcome.",
                {
                    "{{name}} {{reason}}": rate("grpc_connection_switched_total", "service, name, reason"),
                    "{{name}} {{outcome}}": rate("grpc_pool_rotations_total", "service, name, outcome"),
                    "{{name}} ejected": rate("grpc_pool_ejections_total", "service, name"),
                },
            ),
            Panel(
                "Draining",
                "How long replaced connections stayed open for their calls.",
                quantiles("grpc_pool_drain_seconds", "service, name"),
                unit="s",
            ),
        ),
        "Calls": (
            Panel(
                "Ended, by code",
                "A call that was retried counts once.",
                {"{{name}} {{code}}": rate("grpc_requests_total", "service, name, code")},
                unit="reqps",
            ),
            Panel(
                "Under way",
                "Those on replaced connections included.",
                {"{{service}} {{name}}": f"sum by (service, name) (grpc_pool_inflight{{{S}}})"},
            ),
            Panel(
                "Retries",
                "Attempts on another connection by outcome, and those there was no token for.",
                {
                    "{{name}} {{outcome}}": rate("grpc_fallback_retry_total", "service, name, outcome"),
                    "{{name}} no token": rate("grpc_retry_budget_denied_total", "service, name"),
                },
            ),
        ),
    },
)

QUERY_CACHE: Final = Board(
    "query_cache",
    "quickwins: query cache",
    "GraphQL answers that are not executed again.",
    {
        "Hits": (
            flag("query_cache"),
            Panel(
                "Hit rate by policy",
                "Answers found by all that were asked for, in one hour. Target: 60 to 70 %.",
                {"{{service}} {{policy}}": f"service_policy:graphql_query_cache_hits:ratio_rate1h{{{S}}}"},
                unit="percentunit",
            ),
            Panel(
                "Found, by layer",
                "In this process, in the shared store, past their time, or in another request's execution.",
                {"{{policy}} {{layer}}": rate("graphql_query_cache_hit_total", "policy, layer")},
                unit="reqps",
            ),
            Panel(
                "Executed, and why",
                "`absent` answers were stored, the others were not.",
                {"{{policy}} {{reason}}": rate("graphql_query_cache_miss_total", "policy, reason")},
                unit="reqps",
            ),
        ),
        "Memory and time": (
            Panel(
                "Answers kept",
                "In all processes together.",
                {"{{service}} {{name}}": f"sum by (service, name) (graphql_query_cache_entries{{{S}}})"},
            ),
            Panel(
                "What they take",
                "With all that belongs to them.",
                {"{{service}} {{name}}": f"sum by (service, name) (graphql_query_cache_bytes{{{S}}})"},
                unit="bytes",
            ),
            Panel(
                "Executions",
                "How long they took.",
                quantiles("graphql_query_cache_fill_seconds", "service, name"),
                unit="s",
            ),
            Panel(
                "Waited for another's execution",
                "Requests that asked for what was being executed.",
                {"{{service}} {{name}}": rate("graphql_query_cache_coalesced_total", "service, name")},
                unit="reqps",
            ),
        ),
        "Freshness": (
            Panel(
                "Invalidations",
                "By what they named.",
                {"{{name}} {{kind}}": rate("graphql_query_cache_invalidation_total", "name, kind")},
            ),
            Panel(
                "Gone",
                "Past their time, for others, invalidated, or replaced.",
                {"{{name}} {{reason}}": rate("graphql_query_cache_eviction_total", "name, reason")},
            ),
            Panel(
                "Not stored for their fence",
                "What they were made of was invalidated meanwhile.",
                {"{{name}} {{layer}}": rate("graphql_query_cache_fence_refused_total", "name, layer")},
            ),
            Panel(
                "Shared store",
                "1 for what holds now: `closed` it is asked, `open` it is not.",
                {"{{name}} {{state}}": f"sum by (name, state) (graphql_query_cache_breaker{{{S}}})"},
            ),
        ),
    },
)

DEDUP: Final = Board(
    "dedup",
    "quickwins: dedup",
    "Change events that take effect once.",
    {
        "Events": (
            flag("dedup"),
            Panel(
                "Processed",
                "Records by what was decided about them.",
                {
                    "{{group}} {{topic}} {{decision}}": rate(
                        "kafka_events_processed_total", "group, topic, decision"
                    )
                },
            ),
            Panel(
                "Duplicates",
                "Records without a second effect: sent again by Kafka, or by the source.",
                {
                    "{{group}} {{topic}} {{reason}}": rate(
                        "kafka_event_deduplicated_total", "group, topic, reason"
                    )
                },
            ),
            Panel(
                "Behind",
                "Records that had no effect yet.",
                {"{{service}} {{group}}": f"sum by (service, group) (kafka_dedup_cursor_lag{{{S}}})"},
            ),
        ),
        "Trouble": (
            Panel(
                "Standing partitions",
                "Nobody can tell whether the next event had its effect: a person must decide.",
                {"{{group}} {{topic}}": f"sum by (group, topic) (kafka_dedup_quarantined_total{{{S}}})"},
            ),
            Panel(
                "Dead letters",
                "Records put aside.",
                {"{{group}} {{topic}}": f"sum by (group, topic) (kafka_dead_letters_total{{{S}}})"},
            ),
            Panel(
                "A batch",
                "From the first decision to the commit, the handler included.",
                quantiles("kafka_dedup_store_seconds", "service, group"),
                unit="s",
            ),
        ),
    },
)

INDEXES: Final = Board(
    "indexes",
    "quickwins: indexes",
    "Index builds and what they left.",
    {
        "Migrations": (
            flag("indexes"),
            Panel(
                "State",
                "0 it is not applied, 1 it is, 2 it is on its way, 3 the last try failed.",
                {"{{name}} {{migration}}": f"max by (name, migration) (quickwins_migration_state{{{S}}})"},
            ),
            Panel(
                "Invalid indexes",
                "They cost each write and help no read. Some while a build runs is normal.",
                {"{{name}}": f"max by (name) (quickwins_index_invalid{{{S}}})"},
            ),
        ),
        "The running build": (
            Panel(
                "Done",
                "How much of it.",
                {"{{name}}": f"max by (name) (quickwins_index_build_progress_ratio{{{S}}})"},
                unit="percentunit",
            ),
            Panel(
                "Phase",
                "As the server calls it.",
                {"{{name}} {{phase}}": f"max by (name, phase) (quickwins_index_build_phase{{{S}}})"},
            ),
            Panel(
                "Held up by",
                "Sessions and prepared transactions that must end first.",
                {"{{name}}": f"max by (name) (quickwins_index_build_lockers{{{S}}})"},
            ),
        ),
    },
)

LOGS: Final = Board(
    "logs",
    "quickwins: logs",
    "Structured logging: how much, what is lost, what it costs.",
    {
        "Records": (
            flag("logs"),
            Panel(
                "Made",
                "By level, dropped ones included.",
                {"{{service}} {{level}}": rate("log_records_total", "service, level")},
            ),
            Panel(
                "Not written",
                "By reason. `sampled` is meant to be; the others are losses.",
                {"{{service}} {{reason}}": rate("log_dropped_total", "service, reason")},
            ),
            Panel(
                "Failed writes",
                "A full disk, a reader that died.",
                {"{{service}}": rate("log_sink_errors_total", "service")},
            ),
        ),
        "Cost and secrets": (
            Panel(
                "Cost",
                "Time in log calls by the CPU of the service. Target: below 2 %.",
                {
                    "{{service}}": f"{rate('log_seconds_total', 'service')} / service:process_cpu_seconds:rate5m"
                },
                unit="percentunit",
            ),
            Panel(
                "Redacted",
                "Values not shown, by the rule that found them.",
                {"{{service}} {{rule}}": rate("log_redactions_total", "service, rule")},
            ),
        ),
    },
)

SUPPRESSIONS: Final = Board(
    "suppressions",
    "quickwins: suppressions",
    "Warnings that nobody silences any more.",
    {
        "Warnings": (
            flag("suppressions"),
            Panel(
                "Ours",
                "Of the service's own code: fix them.",
                {
                    "{{service}} {{category}}": rate(
                        "python_warnings_total", "service, category", f'{S},origin="first_party"'
                    )
                },
            ),
            Panel(
                "Packages'",
                "Of other people's code: see them before the next upgrade.",
                {
                    "{{package}} {{category}}": rate(
                        "python_warnings_total", "package, category", f'{S},origin="third_party"'
                    )
                },
            ),
            Panel(
                "Filters",
                "That ignore something, Python's own included.",
                {"{{service}}": f"max by (service) (python_warning_filters_installed{{{S}}})"},
            ),
        ),
    },
)

BOARDS: Final = (OVERVIEW, BACKPRESSURE, SUPPRESSIONS, LOGS, INDEXES, QUERY_CACHE, DEDUP, CHANNELS)
"""All dashboards, in the order of the features."""
