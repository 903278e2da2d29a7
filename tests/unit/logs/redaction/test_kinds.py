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
        # PHP, Erlang, lists of arguments.
        ("define('DB_PASSWORD', 'wp-pw-2x');", "wp-pw-2x"),
        ('["password"]=> string(9) "hunter-2x" }', "hunter-2x"),
        ('[{user,"svc"},{password,"erl-pw-x1"}]', "erl-pw-x1"),
        ("args=['mysql', '-u', 'root', '-phunter2x9']", "hunter2x9"),
        ("args: ['psql', '--password', 'popen-pw-1']", "popen-pw-1"),
        ("echo 'd0cker-Pw1' | docker login --password-stdin", "d0cker-Pw1"),
        # XML by an attribute, YAML's blocks, variables of HCL, constants of SQL.
        ('<property name="hibernate.connection.password">h1b-pw-1</property>', "h1b-pw-1"),
        ("smtp_password: |\n  bl0ck-pw-1", "bl0ck-pw-1"),
        ("password: >-\n  f0lded-pw-1\nname: x", "f0lded-pw-1"),
        ('variable "db_password" { default = "hclv-pw-1" }', "hclv-pw-1"),
        ("INSERT INTO users (name, password) VALUES ('it''s', '1ns-pw-1')", "1ns-pw-1"),
        ("SET PASSWORD FOR 'u'@'%' = PASSWORD('myp-pw-1')", "myp-pw-1"),
        # Protocols' own commands.
        ("AUTH r3dis-auth-1", "r3dis-auth-1"),
        ('"AUTH" "default" "m0n-pw-12"', "m0n-pw-12"),
        ("CONFIG SET requirepass req-pw-1", "req-pw-1"),
        ("C: AUTH PLAIN AGJvYgBodW50ZXIy", "AGJvYgBodW50ZXIy"),
        ("a1 LOGIN bob 1map-pw-9", "1map-pw-9"),
        ("userPassword:: e1NTSEF9YUIzZEU2Z0g=", "e1NTSEF9YUIzZEU2Z0g"),
        ("userPassword: {SSHA}aB3dE6gH9jK2mN5pQ8sT1vW4yZ7b", "aB3dE6gH9jK2mN5p"),
        # Sentences.
        ("default password is changeme1", "changeme1"),
        ("root password set: R00t!pw-77", "R00t!pw-77"),
        ("the API key is 9f8e7d6c5b4a3921", "9f8e7d6c5b4a3921"),
        ("api key 9f8e7d6c5b4a39219f8e7d6c is not valid", "9f8e7d6c5b4a39219f8e7d6c"),
        ("G-482913 is your Example verification code", "482913"),
        ("Your code: 482913", "482913"),
        ("SSN 078-05-1120 verified", "078-05-1120"),
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
        "      --password-stdin   Take the password from stdin",
        "      --password   Password of the registry",
        "docker run -d -p 8080:80 --name web nginx",
        "podman run -p 127.0.0.1:5432:5432 -v data:/var/lib postgres",
        "  + password = (sensitive value)",
        "  + token    = (known after apply)",
        "password: Option<SecretString>",
        "250-AUTH PLAIN LOGIN CRAM-MD5",
        "AUTH failed for client 7",
        "AUTH backend2 is down",
        "the api key is required",
        "primary key 9f8e7d6c5b4a3921 exists",
        "your code is 100 % covered",
        "password is argon2id",
        "INSERT INTO users (name, password) VALUES ($1, $2)",
        "INSERT INTO users (name, age) VALUES ('bob', '42')",
        "u7 LOGIN page rendered",
        '<property name="hibernate.show_sql">true</property>',
        "description: |\n  some text below",
        "std::string token::name",
        'variable "region" { default = "eu-west-1" }',
        '{ok,"done"}',
        "the pin code: pages are pinned",
        "wrote $HOME/$1/x and $6 of $10",
        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg== is a certificate",
    ],
)
def test_what_looks_alike_stays(text: str) -> None:
    assert shown(text) == text
