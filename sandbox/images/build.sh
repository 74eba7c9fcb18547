#!/usr/bin/env bash
# Builds the sandbox's images with the local Docker engine, from Debian's packages only.
#
# Each image carries a label with the hash of the files it was made from (and of its base), so
# a second run builds nothing. Independent images are built side by side; the output of a build
# is shown only when it fails.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
label=arquitectura.content
export DOCKER_BUILDKIT=0 # Debian's engine comes without BuildKit
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

content_hash() { # FOLDER [BASE-HASH]: of every file below the folder, by name, mode and content
    (cd "$1" && find . -type f -printf '%p %m\n' | LC_ALL=C sort &&
        find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) |
        cat - <(echo "${2-}") | sha256sum | cut -c1-16
}

image_hash() { # IMAGE: the hash it was built from, empty when it is absent
    docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$1" 2>/dev/null || true
}

build() { # IMAGE HASH COMMAND...: runs the command unless the image is up to date
    local image=$1 hash=$2 started=$SECONDS log
    shift 2
    if [ "$(image_hash "$image")" = "$hash" ]; then
        echo "$image: up to date"
        return
    fi
    log=$logs/$(tr -c 'a-z0-9\n' - <<<"$image").log
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        echo "$image: the build failed after $((SECONDS - started)) s; its last lines are above" >&2
        return 1
    fi
    echo "$image: built in $((SECONDS - started)) s"
}

from_dockerfile() { # IMAGE HASH FOLDER
    docker build --label "$label=$2" --tag "$1" "$3"
}

docker version >/dev/null 2>&1 || {
    echo "no Docker engine answers: start one, then run $0 again" >&2
    exit 1
}

debian=arquitectura-sandbox/debian:bookworm
debian_hash=$(content_hash "$here/debian")
build "$debian" "$debian_hash" "$here/debian/import.sh" "$debian" "$label=$debian_hash"

jobs=()
for name in citus:13 busybox:1; do
    folder=$here/${name%:*}
    image=arquitectura-sandbox/$name
    hash=$(content_hash "$folder" "$debian_hash")
    build "$image" "$hash" from_dockerfile "$image" "$hash" "$folder" &
    jobs+=($!)
done
if [ -x "$here/minio/build.sh" ]; then
    "$here/minio/build.sh" &
    jobs+=($!)
fi

failed=0
for job in "${jobs[@]}"; do wait "$job" || failed=1; done
exit "$failed"
