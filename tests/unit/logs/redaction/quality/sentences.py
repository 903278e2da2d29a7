"""Lines that engineers need, of our own: none may change. Kinds as real logs have them: servers, systems, databases, frameworks."""

SENTENCES = r"""
Token validation failed: issuer mismatch
refresh token: already used
auth token: expected 3 segments, got 1
Cannot verify signature: key not found in JWKS
Password reset: mail queued for delivery
password: must contain at least one digit
secret: rotation skipped, newest version is 2 h old
credentials: provider chain exhausted after 4 tries
cookie: SameSite attribute missing
authorization: no policy matched
session: opened for user root by (uid=0)
pam_unix(sshd:session): session closed for user feed
sshd[24200]: Failed password for invalid user webmaster from 10.0.0.7 port 38926 ssh2
sshd[24200]: Accepted publickey for feed from 10.0.0.7 port 51234 ssh2: ED25519
kernel: audit: type=1400 audit(1511234567.123:42): apparmor="STATUS" operation="profile_load" name="feed"
systemd[1]: Started Session 412 of user feed.
CRON[2017]: (root) CMD (run-parts /etc/cron.hourly)
2026-11-26 01:21:49 [main] INFO org.apache.zookeeper.server.NIOServerCnxn - Closed socket connection for client /10.10.34.11:45307
INFO hdfs.StateChange: BLOCK* NameSystem.allocateBlock: /tasks/part-00042. blk_-1608999687919862906
081109 203615 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 for block blk_38865049064139660 terminating
CBS SQM: Failed to start standard sample upload. [HRESULT = 0x80004005 - E_FAIL]
CBS Session: 30546174_90773168 initialized by client WindowsUpdateAgent.
com.android.server.PhoneWindowManager: acquire lock=166121161, flags=0x1, tag="RILJ"
TelephonyManager: getDataState state=2 slot=0
SMSDispatcher: retry count 2
EmailNotifier: 12 mails in queue
PasswordHasher: argon2id m=65536 t=3 p=4
TokenCache: hit ratio 0.93
CookieJar: evicted 4 entries
SecretStore: opened in 12 ms
ApiKeyAuthentication: anonymous request
com.example.auth.TokenFilter: skipping /health
in com.example.TokenFilter.doFilter(TokenFilter.java:112)
File "/srv/app/password_reset.py", line 88, in send
src/auth/session.rs:214: warning: unused variable
TypeError: login() missing 1 required positional argument: 'password'
KeyError: 'api_key'
ValidationError: field "token": this field is required
null value in column "password" of relation "users" violates not-null constraint
ERROR: column u.token does not exist at character 8
ERROR 1054 (42S22): Unknown column 'secret' in 'field list'
SELECT id FROM sessions WHERE token = encode(digest($1, 'sha256'), 'hex')
UPDATE accounts SET secret = NULL WHERE id = $1
SET session_replication_role = replica
INSERT INTO users (email, password) VALUES ($1, $2) RETURNING id
ALTER TABLE users ADD COLUMN phone text, ADD COLUMN email text
CREATE UNIQUE INDEX ux_users_email ON users ("email", "tenant_id")
GRANT SELECT (id, email) ON users TO reader
Duplicate entry '42' for key 'users.PRIMARY'
Key (id)=(42) is still referenced from table "posts".
if password == confirm: return
password = getpass.getpass()
token = request.headers.get("x-auth-token")
const { token, secret } = useAuth()
def authenticate(username: str, password: str | None = None) -> User:
AUTH_USER_MODEL=accounts.User
SESSION_COOKIE_SECURE=True
TOKEN_EXPIRE_MINUTES=30
PASSWORD_HASHERS=django.contrib.auth.hashers.Argon2PasswordHasher
AWS_SECRET_ACCESS_KEY is not set
tokens_used=1843 tokens_left=157
max_tokens: 4096
completion tokens: 512
n_tokens=77
gpio pin 17 -> high
pin: 4 mode: out
otp: disabled
cvv: not stored
card: declined by issuer
phone: not verified
fax: unsupported
mail sent to 3 recipients
x-request-id: 7f3c2a10-4b1e-4f9d-8a53-0c2d1e4f5a6b
etag: W/"5f3c-17a8b9c0d1e"
GET /v1/posts?page=3&per_page=25&sort=-created_at 200 12 ms
GET /metrics?format=text 200
redirect to /login?next=/feed
search?q=abc took 3 ms
shard#status=green docs=1204
retrying https://api.example/v1/feed (attempt 2 of 5)
connecting to postgresql://db.internal:5432/feed
redis://cache:6379/0 is up
kafka://broker-1:9092,broker-2:9092
git@github.com:example/feed.git cloned in 2.1 s
ssh -p 2222 deploy@bastion
celery@worker-3.eu-west-1.compute.internal: ready.
user@1001.service: Succeeded.
host/db-1.example.com@EXAMPLE.COM: kvno = 3
MACs: umac-64-etm@openssh.com,hmac-sha2-256-etm@openssh.com
logo@3x.png 404
numpy@1.26.4 is pinned
arn:aws:iam::123456789012:role/feed-reader
arn:aws:kms:eu-west-1:123456789012:key/1b2c3d4e-5f60-7182-93a4-b5c6d7e8f901
s3://feed-bucket/secret-santa/2026.parquet
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
image: registry.internal/feed:1.4.2-9f86d081
seq 12345678 to 12345999
rows 200 512 1024
latency 12-34-56 ms
took 415-555-2671 us
build 2026.11.26+sha.9f86d08
version 10.0.19041.1
ISBN 978-3-16-148410-0
from 2001:db8::8a2e:370:7334 to 2001:db8::1
coordinates 52.5200 13.4050
+4.2 % against last week
offset +0200
epoch 1764119709123
order 000123456789 shipped
unknown scheme: token
bearer error="invalid_request"
Basic auth is disabled
token bucket: 3 left
use --password-stdin
run with --token to authenticate
--secret flag is deprecated
env: PWD=/srv/feed HOME=/root SHELL=/bin/bash
password=********
password=<redacted>
token: ${API_TOKEN}
secret: {{ vault_secret }}
api_key = "$API_KEY"
"password": null,
"token": "",
{"tokens": 12, "model": "small"}
{"session_count": 3, "auth_method": "oidc"}
- name: password
  required: true
"""

LINES = [line for line in SENTENCES.strip().splitlines() if line]
