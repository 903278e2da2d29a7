"""What the gateway and its clients agree on besides the schema."""

from __future__ import annotations

PATH = "/graphql/"

TIMED_OUT_CODE = "DEADLINE_EXCEEDED"
"""In `extensions.code` when the backend's deadline passed. A refusal has `core.errors.Rejected.graphql_code`."""
