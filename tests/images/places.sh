# Where the Docker daemon of our own lives, and how the scripts talk; sourced by them.
# shellcheck shell=bash disable=SC2034

images=(postgres:18 valkey/valkey:9 apache/kafka:4)

cache=${XDG_CACHE_HOME:-$HOME/.cache}/quickwins
log=$cache/images.log
# A path of a Unix socket has about 100 bytes, and one cache folder has one daemon: hence this short name.
run=/run/quickwins-docker-$(printf %s "$cache" | cksum | cut -d ' ' -f 1)
pid_file=$run/docker.pid
own_bridge=quickwins0
socket=unix://$run/docker.sock

# Standard output is for the line that the caller evaluates.
say() { echo "images: $*" >&2; }

# The process id of our daemon; fails if it does not run. A process that got the id of a dead one has another command.
our_daemon() {
    local pid
    pid=$(cat "$pid_file" 2>/dev/null) && [ -n "$pid" ] || return 1
    tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF -- "$pid_file" && echo "$pid"
}
