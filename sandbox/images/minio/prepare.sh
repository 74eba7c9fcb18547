#!/usr/bin/env bash
# Puts weed, minio and the link mc into a folder.  Usage: prepare.sh FOLDER
# Needs Go, and uv or Python with pip.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PATH=$PATH:/usr/local/go/bin

command -v go >/dev/null || {
    echo "Go is missing: run sandbox/toolchain/install.sh" >&2
    exit 1
}
"$here/../unpack-wheel.sh" "$here/requirements.txt" "$1"
(cd "$here/server" && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$1/bin/minio" .)
ln -s minio "$1/bin/mc"
