#!/usr/bin/env bash
# Builds stand-ins for the official images, under their names, from packages of this machine's own distribution and
# from Maven Central. `build.sh --recipe` prints what identifies their contents.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/images/places.sh
. "$here/places.sh"

folder_of() { basename "${1%:*}"; }

recipe_of() { cat "$here/build.sh" "$here/$(folder_of "$1")"/* | cksum | tr ' ' -; }

if [ "${1:-}" = --recipe ]; then
    recipe_of "$2"
    exit
fi

# shellcheck source=/dev/null
. /etc/os-release
base=quickwins/$ID:$VERSION_CODENAME
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

failed() {
    local why
    why=$(grep -m 1 '^\[ERROR\]' "$log" || grep -v '^$' "$log" | tail -n 1)
    say "$1 failed: ${why:0:300}; more in $log"
    exit 1
}

# "URI SUITE COMPONENT" of each of the distribution's own sources, in whatever form they are written.
sources() {
    # shellcheck disable=SC2016  # these are apt's
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' |
        awk -v origin="$ID" 'tolower($4) == origin {print $1, $2, $3}' | sort -u
}

build_base() {
    say "building a base image of $ID $VERSION_CODENAME"
    command -v debootstrap >/dev/null || "$here/install.sh" debootstrap
    [ -n "$(sources)" ] || apt-get update >>"$log" 2>&1
    local uri root=$work/root
    uri=$(sources | awk -v suite="$VERSION_CODENAME" '$2 == suite {print $1; exit}')
    nice -n 10 debootstrap --variant=minbase "$VERSION_CODENAME" "$root" "$uri" >>"$log" 2>&1 || failed debootstrap
    sources | sed 's/^/deb /' >"$root/etc/apt/sources.list"
    # A mirror that is a snapshot has old dates; a proxy may be the only way out.
    apt-config dump Acquire::Check-Valid-Until Acquire::Check-Date Acquire::http Acquire::https >"$root/etc/apt/apt.conf.d/99host"
    # No service starts in an image, and documentation is not for tests.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    printf 'path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\n' >"$root/etc/dpkg/dpkg.cfg.d/slim"
    rm -rf "$root"/var/cache/apt/archives/*.deb
    tar -C "$root" -c . | docker import --change 'CMD ["bash"]' - "$base" >>"$log" 2>&1 || failed "docker import"
    rm -rf "$root"
}

fetch_jars() {
    command -v mvn >/dev/null || { say "installing Maven" && "$here/install.sh" maven; }
    say "fetching Apache Kafka with its dependencies"
    nice -n 10 mvn --quiet --batch-mode -Dstyle.color=never --file "$here/kafka/pom.xml" -Dmaven.repo.local="$cache/maven" \
        dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$1" >>"$log" 2>&1 || failed Maven
}

# The command that prints, inside of an image, what it stands in with.
describe() {
    case $1 in
        postgres) echo "dpkg-query -Wf 'PostgreSQL \${Version}' \"\$(dpkg-query -Wf '\${Depends}' postgresql | cut -d ' ' -f 1)\"" ;;
        valkey) echo "dpkg-query -Wf '\${Package} \${Version}' valkey-server 2>/dev/null || dpkg-query -Wf '\${Package} \${Version}' redis-server" ;;
        kafka) echo "basename /opt/kafka/libs/kafka_2.13-*.jar .jar | xargs printf '%s '; java -version 2>&1 | sed -n '1s/\"//g; 1s/^/on /p'" ;;
    esac
}

build() {
    local name=$1 folder context stand_in
    folder=$(folder_of "$name")
    context=$work/$folder
    say "building $name"
    mkdir -p "$context"
    cp "$here/$folder"/* "$context"
    if [ "$folder" = kafka ]; then fetch_jars "$context/libs"; fi
    # The host's network: its name server and proxy may be on loopback, its frames smaller than a bridge's.
    DOCKER_BUILDKIT=0 nice -n 10 docker build --network host --build-arg "BASE=$base" --build-arg http_proxy \
        --build-arg https_proxy --tag "quickwins/$folder" "$context" >>"$log" 2>&1 || failed "docker build of $name"
    stand_in=$(docker run --rm --network none --entrypoint sh "quickwins/$folder" -c "$(describe "$folder")")
    printf 'FROM quickwins/%s\nLABEL org.quickwins.stand-in="%s, %s %s" org.quickwins.recipe="%s"\n' \
        "$folder" "$stand_in" "$ID" "$VERSION_CODENAME" "$(recipe_of "$name")" |
        DOCKER_BUILDKIT=0 docker build --tag "$name" - >>"$log" 2>&1 || failed "docker build of $name"
}

: >"$log"
docker image inspect "$base" >/dev/null 2>&1 || build_base
for name in "${images[@]}"; do
    [ "$(docker image inspect --format '{{index .Config.Labels "org.quickwins.recipe"}}' "$name" 2>/dev/null)" = "$(recipe_of "$name")" ] ||
        build "$name"
done
docker image prune --force --filter label=org.quickwins.recipe >>"$log" 2>&1 || true
