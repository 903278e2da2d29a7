#!/usr/bin/env bash
# Finds or makes a Docker daemon that has the three images; prints the line that points clients at it:
#
#     if line=$(tests/images/ensure.sh); then eval "$line"; fi
#
# Exit status: 0 it is there · 10 no Docker engine, and none can be installed · 11 no daemon of our own can be started
# · 12 the images can be neither pulled nor built. What is said goes to standard error, the details to a log.
set -euo pipefail
refusal=
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/images/places.sh
. "$here/places.sh"

answers() { DOCKER_HOST=$1 timeout 20 docker version --format '{{.Server.Version}}' 2>/dev/null; }

has() { docker image inspect "$1" >/dev/null 2>&1; }

# A stand-in of an older recipe is no longer what we want; an official image has no recipe.
is_current() {
    local recipe
    recipe=$(docker image inspect --format '{{index .Config.Labels "org.quickwins.recipe"}}' "$1" 2>/dev/null) || return 1
    [ -z "$recipe" ] || [ "$recipe" = "$("$here/build.sh" --recipe "$1")" ]
}

# All of the images, pulled where they are missing; fails at the first that cannot be, with the reason in $refusal.
pull_all() {
    local image
    for image in "${images[@]}"; do
        has "$image" && continue
        say "pulling $image"
        if ! refusal=$(timeout 300 docker pull --quiet "$image" 2>&1); then
            refusal=$(tail -n 1 <<<"$refusal" | cut -c 1-200)
            return 1
        fi
    done
}

tell() {
    local image stand_in
    for image in "${images[@]}"; do
        stand_in=$(docker image inspect --format '{{index .Config.Labels "org.quickwins.stand-in"}}' "$image")
        say "$image is ${stand_in:-the official image}${stand_in:+ (the official image cannot be pulled)}"
    done
    echo "export DOCKER_HOST=$DOCKER_HOST"
}

install_engine() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "no Docker engine is installed, and only root on a Debian-like system can install one"
        return 1
    fi
    say "installing a Docker engine from the distribution's packages"
    "$here/install.sh" docker.io iptables iproute2 ca-certificates
    command -v docker >/dev/null || "$here/install.sh" docker-cli
}

start_daemon() {
    local daemon bridge=()
    if [ "$(id -u)" != 0 ]; then
        say "only root can start a Docker daemon"
        return 1
    fi
    mkdir -p "$run"
    chmod 700 "$run"
    # Left by a daemon that was killed: its id may be another process's by now, and it would refuse to start.
    our_daemon >/dev/null || rm -f "$pid_file"
    if $theirs_answers; then
        # It has the default bridge, and two daemons on one bridge give the same addresses to their containers.
        ip link add "$own_bridge" type bridge 2>/dev/null || true
        ip address replace 10.213.77.1/24 dev "$own_bridge"
        ip link set "$own_bridge" up
        bridge=(--bridge "$own_bridge")
    fi
    say "starting a Docker daemon of our own, data in $cache/docker"
    # Namespaces of its own: a containerd that runs already may serve another daemon.
    setsid dockerd --host "$socket" --data-root "$cache/docker" --exec-root "$run/exec" --pidfile "$pid_file" \
        --containerd-namespace quickwins --containerd-plugins-namespace quickwins-plugins ${bridge[@]+"${bridge[@]}"} \
        >"$cache/dockerd.log" 2>&1 </dev/null 9>&- &
    daemon=$!
    for _ in $(seq 120); do
        answers "$socket" >/dev/null && return
        if ! kill -0 "$daemon" 2>/dev/null; then break; fi
        sleep 0.5
    done
    say "dockerd does not start: $(tail -n 1 "$cache/dockerd.log" | cut -c 1-300)"
    kill "$daemon" 2>/dev/null || true
    return 1
}

mkdir -p "$cache"
# One at a time. The daemon must not inherit the lock.
exec 9>"$cache/lock"
flock 9

# A daemon that the user has: never given stand-ins under official names.
theirs_answers=false
if command -v docker >/dev/null; then
    theirs=$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || echo "${DOCKER_HOST:-}")
    if [ "$theirs" != "$socket" ] && version=$(answers "$theirs"); then
        theirs_answers=true
        export DOCKER_HOST=$theirs
        say "Docker $version answers at $DOCKER_HOST"
        if pull_all; then
            tell
            exit
        fi
        say "it cannot pull: $refusal"
    fi
fi

if ! { command -v docker && command -v dockerd; } >/dev/null; then
    install_engine || exit 10
fi
if ! version=$(answers "$socket"); then
    start_daemon || exit 11
    version=$(answers "$socket")
fi
export DOCKER_HOST=$socket
say "Docker $version, our own, answers at $DOCKER_HOST"

stand_ins=$(docker image ls --quiet --filter label=org.quickwins.recipe)
current=true
for image in "${images[@]}"; do is_current "$image" || current=false; done
# Who has built once does not ask the registry again.
if ! $current && { [ -n "$stand_ins" ] || ! pull_all; }; then
    say "${refusal:+cannot pull: $refusal; }building stand-ins from packages of this distribution"
    "$here/build.sh" || exit 12
fi
tell
