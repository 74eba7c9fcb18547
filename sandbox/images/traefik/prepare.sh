#!/usr/bin/env bash
# Puts traefik into a folder.  Usage: prepare.sh FOLDER
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$here/../unpack-wheel.sh" "$here/requirements.txt" "$1"
