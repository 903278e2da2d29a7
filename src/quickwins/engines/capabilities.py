"""What servers can and cannot do, by name, so that a test that is left out says why."""

from __future__ import annotations

from enum import StrEnum


class Capability(StrEnum):
    """Something that a server of one kind may or may not be able to do."""

    PROCESS_CONTROL = "process_control"
    """It is ours to kill, pause and restart."""
    DURABLE = "durable"
    """What it acknowledged is still there after a crash of its processes."""
    LOGICAL_DECODING = "logical_decoding"
    """PostgreSQL: changes can be read through `pgoutput`."""
    CONSUMER_GROUPS = "consumer_groups"
    """Kafka: consumers share a topic's partitions and rebalance."""
    IDEMPOTENT_PRODUCER = "idempotent_producer"
    """Kafka: `enable_idempotence`."""
    TRANSACTIONS = "transactions"
    """Kafka: transactional producers."""
