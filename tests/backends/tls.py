"""A certificate for `localhost` that lasts a day, made by `openssl`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import grpc
import pytest


def certificate(folder: Path) -> Path:
    """A folder with `key.pem` and `cert.pem`."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("cannot: make a certificate: there is no openssl")
    made = folder / "tls"
    made.mkdir()
    subprocess.run(
        [
            *(program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", "key.pem", "-out", "cert.pem"),
        ],
        cwd=made,
        check=True,
        capture_output=True,
    )
    return made


def trusting(folder: Path) -> grpc.ChannelCredentials:
    """Credentials of a client that trusts that certificate alone."""
    return grpc.ssl_channel_credentials((folder / "cert.pem").read_bytes())
