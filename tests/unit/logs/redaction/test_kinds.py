"""Secrets as other programs print them, beside what these programs print that looks alike and is none."""

from __future__ import annotations

import pytest

from quickwins.logs.redaction import Redaction
from quickwins.logs.redaction._scan import Scanner
from quickwins.logs.redaction._suspect import is_suspect

SCANNER = Scanner(Redaction.strict())


def shown(text: str) -> str:
    return SCANNER.text(text, [])


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        # Tables of settings: Django's debug page, printed environments.
        ("SECRET_KEY    'k8h3#kd9s!x2&b7q0w'", "k8h3#kd9s!x2&b7q0w"),
        ("API_TOKEN\taB3dE6gH9jK2", "aB3dE6gH9jK2"),
        ("Settings\nDB_PASSWORD   hunter2hunter\nDEBUG   True", "hunter2hunter"),
        # Rust's `Debug`, Haskell's `Show`.
        ('Client { api_token: Some("zz-token-8891"), base: "x" }', "zz-token-8891"),
        ('Config { password: Some(SecretString("hunter-2x")) }', "hunter-2x"),
        ('token: Token("qwe123RTY456") }', "qwe123RTY456"),
        # Terraform's plan.
        ('~ master_password = "oldPw-1!" -> "newPw-2!"', "newPw-2!"),
        # kubeconfig, and private keys in base64.
        ("client-key-data: aHVudGVyMmh1bnRlcjI=", "aHVudGVyMmh1bnRlcjI="),
        ("the key is LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQo= ok", "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVk"),
        ("got LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCg==", "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0t"),
        # netrc.
        ("machine api.example.com login ci password hunter", "hunter"),
        ("machine h\n  login ci\n  password correct-horse", "correct-horse"),
        # Names that end in `pw`.
        ('bindpw="b1nd-pw-3"', "b1nd-pw-3"),
        ("rootpw=hunter2x", "hunter2x"),
        ("db_pw: s3cr3t-x9", "s3cr3t-x9"),
        # Command lines.
        ("sqlplus scott/t1g3r-9x@ORCL", "t1g3r-9x"),
        ("running expdp system/Manager9@db full=y", "Manager9"),
        ("etcdctl --user root:etcd-pw-1 get key", "etcd-pw-1"),
        ("http -a svc:hunter-2x GET https://h.example", "hunter-2x"),
        ("requests.get(url, auth=('svc', 'requ3sts-pw'))", "requ3sts-pw"),
        ("Elasticsearch(http_auth=('svc', 'hunter-2x'))", "hunter-2x"),
        # One-time codes in sentences.
        ("Your verification code is 482913", "482913"),
        ("Your login code: 55-82-91", "55-82-91"),
        ("SMS queued: 482913 is your Example verification code.", "482913"),
        ("one-time passcode is 7731", "7731"),
        ("sent security code 9917 to user 7", "9917"),
        ("recovery codes: a1b2c-d3e4f, g5h6i-j7k8l", "g5h6i-j7k8l"),
        ("exp 12/27 cvv 123", "123"),
        # Vault.
        ("Unseal Key 1: aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6kL9m+Q==", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7"),
        # Hashes of passwords.
        ("root:$6$aB3dE6gH$9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6kL9mN2pQ5sT8vW1yZ4bC7fG0:19000:0", "9jK2mN5pQ8sT1vW4yZ7b"),
        ("stored $2b$12$K8Y1x9vQ3mZ7tR5pW2nL4uJ6hG0fD8sA1qE3wR5tY7uI9oP1aS3dF", "K8Y1x9vQ3mZ7tR5pW2nL4"),
        ("pbkdf2_sha256$600000$aB3dE6gH9jK2mN5p$kZq8aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6kL9=", "kZq8aB3dE6gH9jK2"),
        ("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQxMjM$RdescudvJCsgt3ub7b7QdescudvJ", "RdescudvJCsgt3ub7b7"),
        # Routers.
        ("snmp-server community c0mmun1ty-x RO", "c0mmun1ty-x"),
        ("radius-server key r4d1us-K3y", "r4d1us-K3y"),
        ("username bob privilege 15 password 0 hunter-2x", "hunter-2x"),
        # Sentences.
        ("password for user bob1 changed to newPw-2024!", "newPw-2024!"),
        ("Password has been reset to newPw-2024!", "newPw-2024!"),
    ],
)  # fmt: skip
def test_it_is_hidden(text: str, secret: str) -> None:
    once = shown(text)
    assert secret not in once
    assert is_suspect(text)
    assert shown(once) == once


@pytest.mark.parametrize(
    "text",
    [
        # Code in tracebacks.
        "    user = authenticate(username=username, password=password)",
        "    client = Client(token=token, secret=self.secret)",
        '    session = ClientSession(headers={"Authorization": f"Bearer {token}"})',
        '    password = os.environ["DB_PASSWORD"]',
        "    auth=('user', 'group')",
        # Databases and Kubernetes.
        'automatic vacuum of table "app.public.auth_tokens": index scans: 1',
        'MountVolume.SetUp failed for volume "tls-secret" : secret "feed-tls" not found',
        "volumes: [{name: creds, secret: {secretName: app-creds}}]",
        "auth.token.ttl=3600 auth.token.header=X-Auth-Token",
        "password.encoder=bcrypt password.min.length=12",
        # Codes that let nobody in.
        "status code is 503",
        "error code 482913 at 0x7ffd",
        "the country code is 49",
        "exit code: 137",
        "verification code expired after 300 s",
        "the activation code was 3 of 5 sent",
        # Routers, tables and changes.
        "radius-server host 10.0.0.5 timed out",
        "enable secret rotation for 3 buckets",
        "username bob password expired",
        "token_count    12",
        "SESSIONS    'open'",
        'size = "small" -> "large"',
        "imp of user/group@host",
        "Some(Token { kind: Ident, span: 12..18 })",
        "password: Some(length)",
        "cvv missing, 123 rows",
        "the pin code: pages are pinned",
        "wrote $HOME/$1/x and $6 of $10",
        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg== is a certificate",
    ],
)
def test_what_looks_alike_stays(text: str) -> None:
    assert shown(text) == text
