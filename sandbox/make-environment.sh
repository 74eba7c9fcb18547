#!/usr/bin/env bash
# Makes a Python environment with what a requirements file pins, unless it is there.
# Usage: make-environment.sh FOLDER FILE
set -euo pipefail

export PATH=$HOME/.local/bin:$PATH
hash=$(sha256sum <"$2")
if [ "$(cat "$1/hash" 2>/dev/null)" = "$hash" ]; then exit; fi
rm -rf "$1"
if command -v uv >/dev/null; then
    uv venv --quiet --python '>=3.11' "$1"
    uv pip install --quiet --python "$1/bin/python" --require-hashes --compile-bytecode -r "$2"
else
    python3 -m venv "$1"
    "$1/bin/python" -m pip install --quiet --require-hashes -r "$2"
fi
echo "$hash" >"$1/hash"
