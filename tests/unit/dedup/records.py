"""Records as a consumer gives them, made by hand or read from the real ones."""

import gzip
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[2] / "data" / "debezium"


@dataclass(frozen=True)
class Record:
    topic: str = "feed.public.posts"
    partition: int = 0
    offset: int = 0
    key: Any = b'{"id":1}'
    value: Any = None
    headers: Any = ()


def envelope(
    op: str = "c",
    *,
    lsn: Any = 200,
    commit: Any = 100,
    transaction: Any = 7,
    order: int | None = 1,
    after: Any = None,
    before: Any = None,
    **source: Any,
) -> dict[str, Any]:
    first = "null" if commit is None else f'"{commit}"'
    return {
        "op": op,
        "before": before,
        "after": after,
        "ts_ms": 1_700_000_000_000,
        "source": {
            "connector": "postgresql",
            "snapshot": "false",
            "schema": "public",
            "table": "posts",
            "lsn": lsn,
            "sequence": f'[{first},"{lsn}"]',
            "txId": transaction,
            **source,
        },
        "transaction": None if order is None else {"id": f"{transaction}:{lsn}", "total_order": order},
    }


def record(op: str = "c", *, offset: int = 0, key: Any = b'{"id":1}', **about: Any) -> Record:
    return Record(offset=offset, key=key, value=json.dumps(envelope(op, **about)).encode())


def real_records() -> list[Record]:
    """The row events of the real stream, a topic a partition."""
    offsets: Counter[str] = Counter()
    records = []
    with gzip.open(DATA / "nova.jsonl.gz", "rt") as lines:
        for line in lines:
            found = json.loads(line)
            if "marker" in found or found["topic"] == "nova.transaction":
                continue
            topic = found["topic"]
            key, value = (
                None if part is None else json.dumps(part).encode() for part in (found["key"], found["value"])
            )
            records.append(Record(topic=topic, offset=offsets[topic], key=key, value=value))
            offsets[topic] += 1
    return records


def real_truth() -> dict[str, list[list[Any]]]:
    """What the real database held in the end."""
    return {key: sorted(rows) for key, rows in json.loads((DATA / "nova.truth.json").read_text()).items()}
