#!/usr/bin/env bash
# Builds arquitectura-sandbox/dokploy:model, unless the image of these very files is there.
# Needs the base image (../images/build.sh).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../images/lib.sh"
build_folder arquitectura-sandbox/dokploy:model "$here"
