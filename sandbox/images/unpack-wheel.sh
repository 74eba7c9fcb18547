#!/usr/bin/env bash
# Unpacks the programs of the wheels that a requirements file pins.  Usage: unpack-wheel.sh FILE FOLDER
# They are in FOLDER/bin then. Needs uv or Python with pip.
set -euo pipefail

export PATH=$PATH:$HOME/.local/bin
install=(python3 -m pip install --quiet)
if command -v uv >/dev/null; then install=(uv pip install --quiet); fi
"${install[@]}" --require-hashes --no-deps --target "$2" -r "$1"
