#!/bin/bash
# Turns KAFKA_ABC_DEF into abc.def, formats the storage if it is not, and runs the broker in KRaft mode. With any such
# variable the defaults do not count, as in the official image; a file in /mnt/shared/config does.
set -euo pipefail

properties=$(mktemp)
cat /mnt/shared/config/server.properties >"$properties" 2>/dev/null || true
for variable in $(compgen -e KAFKA_); do
    case $variable in
        KAFKA_HEAP_OPTS | KAFKA_OPTS | KAFKA_JVM_PERFORMANCE_OPTS | KAFKA_LOG4J_* | KAFKA_JMX_* | KAFKA_GC_LOG_OPTS | KAFKA_VERSION) ;;
        *)
            name=$(sed 's/^KAFKA_//; s/___/-/g; s/__/\n/g; s/_/./g; s/\n/_/g' <<<"$variable" | tr '[:upper:]' '[:lower:]')
            printf '%s=%s\n' "$name" "${!variable}" >>"$properties"
            ;;
    esac
done
if [ -n "${KAFKA_ADVERTISED_LISTENERS:-}" ] && [ -z "${KAFKA_LISTENERS:-}" ]; then
    # shellcheck disable=SC2001  # a pattern of the shell cannot say "any host"
    echo "listeners=$(sed 's#//[^:,]*:#//0.0.0.0:#g' <<<"$KAFKA_ADVERTISED_LISTENERS")" >>"$properties"
fi
if [ ! -s "$properties" ]; then
    cat >"$properties" <<'DEFAULTS'
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
advertised.listeners=PLAINTEXT://localhost:9092
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=/var/lib/kafka/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
DEFAULTS
fi

# shellcheck disable=SC2206  # several options in one variable is the contract
options=(${KAFKA_HEAP_OPTS:--Xmx1G -Xms1G} ${KAFKA_JVM_PERFORMANCE_OPTS:--XX:+UseSerialGC} ${KAFKA_OPTS:-})
kafka=(java -cp '/opt/kafka/libs/*' -Dlog4j2.configurationFile=/opt/kafka/config/log4j2.properties)
"${kafka[@]}" -Xmx256M -XX:TieredStopAtLevel=1 kafka.tools.StorageTool format --ignore-formatted \
    --cluster-id "${CLUSTER_ID:-cXVpY2t3aW5zLWthZmthIQ}" --config "$properties" >/dev/null
exec "${kafka[@]}" "${options[@]}" kafka.Kafka "$properties"
