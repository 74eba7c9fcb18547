#!/usr/bin/env bash
# Sees to it that a Docker engine answers: installs and starts one when none does, as root only.
set -euo pipefail

readonly LOG=/var/log/dockerd.log
readonly PATIENCE=60 # seconds; a start takes about two

say() { printf 'engine: %s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }

answers() { docker version >/dev/null 2>&1; }

install_packages() {
    say "installing docker.io and iptables"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && apt-get install --yes --no-install-recommends docker.io iptables; } \
        >"$LOG" 2>&1 ||
        fail "docker.io could not be installed; the last lines of $LOG: $(printf '\n' && tail -n 15 "$LOG")"
}

answers && exit

[ -z "${DOCKER_HOST:-}" ] ||
    fail "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST: start it, or unset DOCKER_HOST"
[ "$(id -u)" = 0 ] ||
    fail "no Docker engine answers, and only root can start one: start Docker, or try again as root"
if ! command -v dockerd >/dev/null || ! command -v iptables >/dev/null; then
    install_packages
    answers && exit # the package starts the engine where systemd runs
fi

# A session of its own: it outlives the shell that called. cgroup v1 and v2 both do: dockerd looks.
setsid dockerd >"$LOG" 2>&1 </dev/null &
dockerd=$!
deadline=$((SECONDS + PATIENCE))
while kill -0 "$dockerd" 2>/dev/null && [ "$SECONDS" -lt "$deadline" ]; do
    if answers; then
        say "started Docker $(docker version --format '{{.Server.Version}}'), process $dockerd, log $LOG"
        exit
    fi
    sleep 0.2
done
fail "dockerd does not answer; the last lines of $LOG: $(printf '\n' && tail -n 15 "$LOG")"
