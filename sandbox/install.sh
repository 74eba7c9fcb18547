#!/usr/bin/env bash
# Installs the whole sandbox: toolchain, engine, plugins, images. What is there is left as it is.
set -euo pipefail
cd "$(dirname "$0")"

# First of all: what an interrupted run has installed is the sandbox's, too.
mkdir -p "${PULUMI_HOME:-$HOME/.pulumi}"
touch "${PULUMI_HOME:-$HOME/.pulumi}/sandbox"

toolchain/install.sh
engine/start.sh
browser/install.sh
# The images and the plugins wait for different things: they are made side by side.
images/build.sh & images=$!
plugins/install.sh
wait "$images"
