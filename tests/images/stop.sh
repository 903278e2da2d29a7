#!/usr/bin/env bash
# Stops the Docker daemon that ensure.sh started, by its process id, and with it its containers. Images stay for next
# time. Any other daemon is left alone, and so is ours while a test run uses it.
set -euo pipefail
# shellcheck source=tests/images/places.sh
. "$(dirname "$0")/places.sh"

if ! pid=$(our_daemon); then
    say "no Docker daemon of ours runs"
    exit
fi

# The label is PID:START of the process whose container it is; START as in the 22nd field of /proc/PID/stat.
for owner in $(DOCKER_HOST=$socket timeout 20 docker ps --filter label=org.quickwins.run \
    --format '{{.Label "org.quickwins.run"}}' 2>/dev/null | sort -u); do
    started=$(sed 's/.*) //' "/proc/${owner%:*}/stat" 2>/dev/null | cut -d ' ' -f 20) || true
    if [ "$started" = "${owner#*:}" ]; then
        say "process ${owner%:*} uses our Docker daemon: left running"
        exit 1
    fi
done

kill "$pid"
for _ in $(seq 300); do
    if ! our_daemon >/dev/null; then
        # Its network namespace stays mounted.
        umount "$run"/exec/netns/* 2>/dev/null || true
        rm -rf "$run"
        ip link delete "$own_bridge" 2>/dev/null || true
        say "our Docker daemon, process $pid, is stopped"
        exit
    fi
    sleep 0.1
done
say "our Docker daemon, process $pid, does not end"
exit 1
