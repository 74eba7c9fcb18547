#!/usr/bin/env bash
# Installs Debian's Chromium, in which the tests try the page of an example. As root only; without it
# those tests are skipped, and nothing else needs it.
set -euo pipefail

readonly LOG=/var/log/sandbox-browser.log

say() { printf 'browser: %s\n' "$*"; }

command -v chromium >/dev/null && exit
if [ "$(id -u)" != 0 ]; then
    say "no Chromium, and only root can install it: the tests in a browser will be skipped"
    exit
fi
say "installing chromium"
export DEBIAN_FRONTEND=noninteractive
{ apt-get update && apt-get install --yes --no-install-recommends chromium; } >"$LOG" 2>&1 ||
    say "chromium could not be installed ($LOG): the tests in a browser will be skipped"
