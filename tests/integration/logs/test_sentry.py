"""Beside Sentry's SDK, with a transport that keeps what would be sent. In processes of their own: it patches for good."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from quickwins.backpressure import PoolExhausted, RejectReason
from quickwins.logs.sentry import Hooks

pytestmark = pytest.mark.usefixtures("children_untraced")

BEFORE = """
import json, logging, sys
import sentry_sdk
from sentry_sdk.integrations.logging import BreadcrumbHandler, EventHandler, LoggingIntegration
from sentry_sdk.transport import Transport
from quickwins.backpressure import PoolExhausted, RejectReason
from quickwins.core.events import POOL_REJECTED, Reporter
from quickwins.logs import Redaction, Sink, configure_logging, get_logger
from quickwins.logs.asgi import LogMiddleware
from quickwins.logs.sentry import Hooks

class Kept(Transport):
    def capture_envelope(self, envelope):
        for item in envelope.items:
            if item.headers.get("type") in ("event", "log", "transaction", "trace_metric"):
                sys.stdout.write(json.dumps(item.payload.json) + "\\n")

hooks = Hooks()
sentry_sdk.init(
    dsn="https://key@127.0.0.1/1",
    transport=Kept,
    before_send=hooks.before_send,
    before_breadcrumb=hooks.before_breadcrumb,
    before_send_log=hooks.before_send_log,
    before_send_transaction=hooks.before_send_transaction,
    before_send_metric=hooks.before_send_metric,
    integrations=[LoggingIntegration(level=None, event_level=None)],
)
logging.getLogger().addHandler(BreadcrumbHandler(level=logging.INFO))
logging.getLogger().addHandler(EventHandler(level=logging.ERROR))
configure_logging(sink=Sink.stderr())
log = get_logger()

def refusal():
    return PoolExhausted("full", reason=RejectReason.QUEUE_FULL, retry_after_seconds=1.0)
"""
SECRETS = ("hunter2", "somebody@example.com", "4111111111111111")


def sent(code: str) -> list[dict[str, Any]]:
    """The issues of a process."""
    done = subprocess.run(
        [sys.executable, "-c", BEFORE + code], capture_output=True, timeout=60, check=False, text=True
    )
    assert done.returncode == 0, done.stderr
    for secret in SECRETS:
        assert secret not in done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_sentry_logs_are_redacted_with_what_was_put_into_them() -> None:
    (batch,) = sent(
        """
import sentry_sdk.logger
sentry_sdk.logger.warning("mail for {to}", to="somebody@example.com", password="hunter2", order=7)
sentry_sdk.flush()
"""
    )
    (said,) = batch["items"]
    values = {name: one["value"] for name, one in said["attributes"].items()}
    assert said["body"] == "mail for [redacted:email]"
    said_of = "sentry.message.parameter."
    assert values[f"{said_of}to"] == "[redacted:email]"
    assert (values[f"{said_of}password"], values[f"{said_of}order"]) == ("[redacted:key]", 7)


def test_lines_are_breadcrumbs_and_errors_are_issues_all_redacted() -> None:
    said, raised = sent(
        """
def pay(password, order):
    raise ValueError("no such user: somebody@example.com")

log.info("cache.access", cache="feed", password="hunter2")
log.warning("mail to somebody@example.com")
logging.getLogger("lib").warning("password=%s for %s", "hunter2", "somebody@example.com")
log.error("payment.failed", card="4111111111111111", order=7)
try:
    pay("hunter2", 7)
except ValueError:
    log.exception("payment.failed")
"""
    )
    crumbs = [crumb["message"] for crumb in said["breadcrumbs"]["values"]]
    assert crumbs[0] == "cache.access cache=feed password=[redacted:key]"
    assert crumbs[1] == "mail to [redacted:email]"
    assert crumbs[2].startswith("password=[redacted:")
    assert said["logentry"]["formatted"] == "payment.failed card=[redacted:card] order=7"
    assert said["extra"]["fields"] == {"card": "[redacted:card]", "order": 7}
    (one,) = raised["exception"]["values"]
    assert (one["type"], one["value"]) == ("ValueError", "no such user: [redacted:email]")
    assert one["stacktrace"]["frames"][-1]["vars"] == {"password": "[redacted:key]", "order": "7"}


def test_a_message_has_nothing_that_was_put_into_it_under_a_private_name() -> None:
    said, after = sent(
        """
lib = logging.getLogger("lib")
lib.error("signed in with %(password)s as %(user)s", {"password": "hunter2", "user": "bob", "token": ""})
lib.error("after")
"""
    )
    assert said["logentry"]["formatted"] == "signed in with [redacted:key] as bob"
    assert said["logentry"]["params"]["user"] == "bob"
    assert after["breadcrumbs"]["values"][0]["message"] == "signed in with [redacted:key] as bob"


def test_a_record_of_sentry_logs_has_nothing_that_was_put_into_it_under_a_private_name() -> None:
    (batch,) = sent(
        """
import sentry_sdk.logger
sentry_sdk.logger.warning("signed in with {password} as {user}", password="hunter2", user="bob")
sentry_sdk.flush()
"""
    )
    assert batch["items"][0]["body"] == "signed in with [redacted:key] as bob"


def test_contexts_and_the_transactions_name_are_redacted_and_what_ties_an_event_to_its_trace_is_not() -> None:
    event, transaction = sent(
        """
sentry_sdk.get_client().options["traces_sample_rate"] = 1.0
with sentry_sdk.start_transaction(op="task", name="/users/somebody@example.com", sampled=True) as whole:
    whole.set_data("card", "4111111111111111")
    with sentry_sdk.start_span(op="db", name="SELECT * FROM u WHERE mail = 'somebody@example.com'") as span:
        span.set_data("password", "hunter2")
        span.set_data("rows", 3)
    scope = sentry_sdk.get_current_scope()
    scope.set_context("response", {"data": {"mail": "somebody@example.com", "password": "hunter2", "n": 7}})
    scope.fingerprint = ["{{ default }}", "somebody@example.com"]
    sentry_sdk.capture_message("x")
"""
    )
    assert event["contexts"]["response"]["data"]["n"] == 7
    assert event["fingerprint"] == ["{{ default }}", "[redacted:email]"]
    assert event["transaction"] == transaction["transaction"] == "/users/[redacted:email]"
    traces = [one["contexts"]["trace"] for one in (event, transaction)]
    assert len({trace["trace_id"] for trace in traces}) == 1
    assert all(len(trace["trace_id"]) == 32 and len(trace["span_id"]) == 16 for trace in traces)
    assert event["contexts"]["runtime"]["name"] == "CPython"
    (span,) = transaction["spans"]
    assert span["description"] == "SELECT * FROM u WHERE mail = '[redacted:email]'"
    assert (span["data"]["password"], span["data"]["rows"]) == ("[redacted:key]", 3)
    assert span["trace_id"] == traces[0]["trace_id"]


def test_a_metrics_attributes_are_redacted() -> None:
    (batch,) = sent(
        """
sentry_sdk.metrics.count("orders", 1, attributes={"password": "hunter2", "mail": "somebody@example.com", "shop": "a"})
sentry_sdk.flush()
"""
    )
    values = {name: one["value"] for name, one in batch["items"][0]["attributes"].items()}
    assert (values["password"], values["mail"], values["shop"]) == ("[redacted:key]", "[redacted:email]", "a")


SERVICE = """
from fastapi import FastAPI
from fastapi.testclient import TestClient
from quickwins.backpressure.asgi import BackpressureMiddleware

app = FastAPI()

@app.get("/refused")
async def refused():
    raise refusal()

@app.get("/broken")
async def broken():
    raise ZeroDivisionError

@app.get("/grouped")
async def grouped():
    raise ExceptionGroup("all", [refusal(), refusal()])
"""


@pytest.mark.parametrize(
    "order",
    [
        "app.add_middleware(BackpressureMiddleware)\napp.add_middleware(LogMiddleware)\nwhole = app",
        "whole = LogMiddleware(BackpressureMiddleware(app))",
    ],
    ids=["inside", "around"],
)
def test_a_refusal_is_no_issue_and_a_failure_is_one(order: str) -> None:
    (issue,) = sent(
        f"""{SERVICE}
{order}
client = TestClient(whole, raise_server_exceptions=False)
for path, status in (("/refused", 503), ("/grouped", 503), ("/broken", 500)):
    assert client.get(path).status_code == status, path
Reporter(service="t", name="feed").report(POOL_REJECTED, reason="queue_full", limit=1, inflight=1, count=9)
"""
    )
    assert [one["type"] for one in issue["exception"]["values"]] == ["ZeroDivisionError"]


GRAPHQL = """
import strawberry
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from strawberry.fastapi import GraphQLRouter
from quickwins.backpressure.strawberry import BackpressureExtension

@strawberry.type
class Query:
    @strawberry.field
    def refused(self) -> str:
        raise refusal()

    @strawberry.field
    def broken(self, password: str) -> str:
        raise ValueError("for somebody@example.com")

app = FastAPI()
app.include_router(GraphQLRouter(strawberry.Schema(Query, extensions=[BackpressureExtension])), prefix="/graphql")

@app.get("/answered")
async def answered():
    try:
        raise refusal()
    except PoolExhausted:
        raise HTTPException(503)

client = TestClient(app)
for query in ("{refused}", '{broken(password: "hunter2")}'):
    client.post("/graphql", json={"query": query})
client.get("/answered")
"""


def test_a_refusal_within_graphqls_error_or_a_503_is_no_issue_and_a_failure_beside_it_is_one() -> None:
    """As Sentry's own integrations of Strawberry and of FastAPI tell them."""
    (issue,) = sent(GRAPHQL)
    assert [one["type"] for one in issue["exception"]["values"]] == ["ValueError", "GraphQLError"]


def test_hooks_take_whatever_they_are_given() -> None:
    hooks = Hooks()
    assert hooks.before_send({}, {}) == {}
    assert hooks.before_send({"exception": None, "extra": None, "message": 7}, {"exc_info": None}) == {
        "exception": None,
        "extra": None,
        "message": 7,
    }
    refused = PoolExhausted("full", reason=RejectReason.QUEUE_FULL)
    assert hooks.before_send({"message": "x"}, {"exc_info": (PoolExhausted, refused, None)}) is None
    assert hooks.before_breadcrumb({"message": None, "data": {"token": "hunter2"}}, {}) == {
        "message": None,
        "data": {"token": "[redacted:key]"},
    }
