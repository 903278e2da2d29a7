"""What servers can and cannot do, by name, so that a skipped test can say why."""

from __future__ import annotations

from enum import StrEnum


class Capability(StrEnum):
    """Something that not every server can do."""

    PROCESS_CONTROL = "process_control"
    """We can kill, pause and restart it."""
    DURABLE = "durable"
    """What it has acknowledged survives a crash of its processes."""
    LOGICAL_DECODING = "logical_decoding"
    """PostgreSQL: changes can be read through `pgoutput`."""
    CONSUMER_GROUPS = "consumer_groups"
    """Kafka: consumers share a topic's partitions and rebalance."""
    IDEMPOTENT_PRODUCER = "idempotent_producer"
    """Kafka: `enable_idempotence`."""
    TRANSACTIONS = "transactions"
    """Kafka: transactional producers."""
    DELETE_RECORDS = "delete_records"
    """Kafka: the beginning of a partition can be deleted."""
