#!/usr/bin/env bash
# Builds the sandbox's images with the local Docker engine, from what package registries have.
# Independent images are built side by side.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/lib.sh"

docker version >/dev/null 2>&1 || {
    echo "no Docker engine answers: start one, then run $0 again" >&2
    exit 1
}

debian_hash=$(content_hash "$here/debian")
build "$BASE" "$debian_hash" "$here/debian/import.sh" "$BASE" "$LABEL=$debian_hash"

jobs=()
for name in busybox:1 citus:13 exporters:bookworm minio:seaweedfs prometheus:bookworm traefik:3.7; do
    build_folder "arquitectura-sandbox/$name" "$here/${name%:*}" &
    jobs+=($!)
done

failed=0
for job in "${jobs[@]}"; do wait "$job" || failed=1; done
exit "$failed"
