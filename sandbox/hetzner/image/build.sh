#!/usr/bin/env bash
# Builds arquitectura-sandbox/server:bookworm, unless the image of these very files is there.
# Needs the base image (../../images/build.sh).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
image=arquitectura-sandbox/server:bookworm
base=arquitectura-sandbox/debian:bookworm
label=arquitectura.content
export DOCKER_BUILDKIT=0 # Debian's engine comes without BuildKit

base_id=$(docker image inspect --format '{{.Id}}' "$base") || {
    echo "the image $base is missing: run sandbox/images/build.sh" >&2
    exit 1
}
hash=$(cd "$here" && { find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum; echo "$base_id"; } |
    sha256sum | cut -c1-16)
if [ "$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$image" 2>/dev/null)" = "$hash" ]; then
    echo "$image: up to date"
    exit 0
fi
started=$SECONDS
docker build --quiet --label "$label=$hash" --tag "$image" "$here" >/dev/null
echo "$image: built in $((SECONDS - started)) s"
