"""Secrets that a text names in a grammar of its own, and sentences about secrets, which say none."""

from __future__ import annotations

import pytest

from quickwins.logs.redaction import Redaction
from quickwins.logs.redaction._scan import Scanner

SCANNER = Scanner(Redaction.strict())


def shown(text: str) -> str:
    return SCANNER.text(text, [])


@pytest.mark.parametrize(
    "text",
    [
        "Key (api_token)=(hunter2) already exists.",
        "DETAIL:  Key (tenant_id, api_token)=(7, hunter2) already exists.",
        "Duplicate entry 'hunter2' for key 'users.api_token'",
        "<wsse:Password>hunter2</wsse:Password>",
        '<Password Type="text">hunter2</Password>',
        "<password><![CDATA[hunter2]]></password>",
        "<password>hunterhunter2</password>",
        "&lt;Password&gt;hunter2&lt;/Password&gt;",
        '{"name": "DB_PASSWORD", "value": "hunter2"}',
        '{"value": "hunter2", "name": "DB_PASSWORD"}',
        "{'Name': 'DB_PASSWORD', 'Value': 'hunter2'}",
        '{"ParameterKey": "DbPassword", "ParameterValue": "hunter2"}',
        '{\\"key\\": \\"api_token\\", \\"value\\": \\"hunter2\\"}',
        "EnvVar(name='DB_PASSWORD', value='hunter2')",
        "- name: DB_PASSWORD\n  value: hunter2",
        '<add key="DbPassword" value="hunter2"/>',
        '<input type="password" id="x" value="hunter2">',
        '[{"type":"too_short","loc":["body","password"],"msg":"x","input":"hunter2"}]',
        "1 validation error for U\npassword\n  String should [type=x, input_value='hunter2', input_type=str]",
        'Content-Disposition: form-data; name="password"\r\n\r\nhunter2\r\n--x',
        "feedctl --password hunter2 --verbose",
        "curl -u bot:hunter2 https://x.example",
        "mysql -uroot -phunter2 feed",
        "sshpass -p hunter2 ssh bot@h",
        "redis-cli -a hunter2 ping",
        "ALTER USER feed PASSWORD 'hunter2'",
        "CREATE USER feed IDENTIFIED BY 'hunter2'",
        'mutation { login(password: """hunter2""") { id } }',
        'query ($password: String = "hunter2") { me }',
        "password:\n  hunter2",
        "enable_password=hunter2",
        "dbpass=hunter2",
        "ACME_KEY=hunter2hunter2",
        'Authorization: Digest username="bob", response="hunter2"',
        '{"v": "Authorization: Digest username=\\"bob\\", response=\\"hunter2\\""}',
        "PGPASSWORD=hunter2 psql",
        "user=feed password: hunter2 host=db",
        "https://u:hun<hunter2@h.example/x",
        "postgresql://feed:pa hunter2@db/feed",
    ],
)  # fmt: skip
def test_it_is_hidden(text: str) -> None:
    once = shown(text)
    assert "hunter2" not in once
    assert shown(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "Invalid token: Signature has expired",
        "EmailService: sending",
        "(using password: YES)",
        "ON invites.email = users.email",
        "PWD=/srv/app",
        "app/token_service.py:88 in refresh",
        "DETAIL:  Key (email)=(x) already exists.",
        "Failed to set password: agent does not answer",
        "authorization: denied by policy 7",
        "unknown fields: 'password', 'user'",
        'columns ["token", "user_id", "created_at"]',
        "WHERE token = lower($1)",
        "def login(user: str, password: str) -> None",
        "tokens: 1532 prompt, 200 completion",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:feed-AbCdEf",
        "pass --password to change it",
        "name: token, value: expired",
        "GET /feed?page=2&size=50&sort=created_at",
        "kex curve25519-sha256@libssh.org",
        "celery@worker-3.internal: ready",
        "block blk_6285161494041403917 deleted",
        "rows 415 555 2671 scanned",
        "SecretManager: loaded 3 entries",
        "session: closed after 30 s",
        "pin=A0 mode=out",
        "password=[REDACTED]",
    ],
)  # fmt: skip
def test_a_sentence_about_it_stays(text: str) -> None:
    assert shown(text) == text


def test_a_secret_without_digit_or_capital_is_seen_in_an_element() -> None:
    assert shown("<password>swordfish</password>") == "<password>[redacted:pair]</password>"
