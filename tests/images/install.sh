#!/usr/bin/env bash
# Installs packages of the distribution, without starting the services in them: install.sh PACKAGE...
set -euo pipefail
# shellcheck source=tests/images/places.sh
. "$(dirname "$0")/places.sh"

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "only root on a Debian-like system can install $*"
    exit 1
fi
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
mkdir -p "$cache"
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update && nice -n 10 apt-get install --yes --no-install-recommends "$@"; } >>"$log" 2>&1; then
    say "cannot install $*: $(tail -n 1 "$log" | cut -c 1-200); more in $log"
    exit 1
fi
