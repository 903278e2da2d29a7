#!/bin/bash
# Runs the server as an ordinary user, reachable from outside the container without a password.
set -euo pipefail

case ${1:-} in -* | *.conf) set -- valkey-server "$@" ;; esac
if [ "$1" != valkey-server ]; then exec "$@"; fi
case " $* " in *" --protected-mode "*) ;; *) set -- "$@" --protected-mode no ;; esac
if [ "$(id -u)" = 0 ]; then
    chown standin /data
    exec setpriv --reuid standin --regid standin --init-groups "$@"
fi
exec "$@"
