#!/usr/bin/env bash
# Starts the Hetzner API of the sandbox, unless it answers already, and the registry that its servers
# get their images from. Prints the API's endpoint, the files that hold its token and a key to log in
# with (`sandbox` in the project), this machine's address as the servers see it, and the registry's.
# Usage: start.sh [OPTION...], the options of `python -m cloud --help`.
#
# Servers outlive the API; what it knows of them is in the state folder. An API with a state folder
# of its own (HETZNER_SANDBOX_STATE) comes without the registry, which is on the first one's network.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${PULUMI_HOME:-$HOME/.pulumi}/sandbox-hetzner
state=${HETZNER_SANDBOX_STATE:-$target/state}
port=${HETZNER_SANDBOX_PORT:-8450}
log=$state/server.log

answers() { curl -s -o /dev/null --max-time 2 "http://127.0.0.1:$port/v1/locations"; }

start_api() { # OPTION...
    PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 setsid "$target/venv/bin/python" -m cloud \
        --port "$port" --state "$state" "$@" >"$log" 2>&1 </dev/null 9>&- &
    local server=$! deadline=$((SECONDS + 30))
    echo "$server" >"$state/pid"
    until answers; do
        if ! kill -0 "$server" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
            echo "the Hetzner API does not answer on port $port; the end of $log:" >&2
            tail -n 3 "$log" >&2
            exit 1
        fi
        sleep 0.1
    done
}

request() { # PATH [CURL-OPTION...]: asks the API; the token is in no argument
    printf 'Authorization: Bearer %s' "$(cat "$state/token")" |
        curl -sS --fail-with-body --max-time 10 -H @- "http://127.0.0.1:$port/v1/$1" "${@:2}"
}

add_key() { # a key to log in with, which all stacks share
    [ -e "$state/id_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C sandbox -f "$state/id_ed25519"
    if ! request 'ssh_keys?name=sandbox' | grep -q '"name":"sandbox"'; then
        request ssh_keys -o /dev/null -H 'Content-Type: application/json' \
            -d "{\"name\": \"sandbox\", \"public_key\": \"$(cat "$state/id_ed25519.pub")\"}"
    fi
}

mkdir -p "$target"
mkdir -p -m 700 "$state"
# Whoever comes second waits, and finds everything done.
exec 9>"$target/lock"
flock --timeout 600 9 || {
    echo "another start holds $target/lock for ten minutes" >&2
    exit 1
}
"$here/../make-environment.sh" "$target/venv" "$here/requirements.txt"
case " $* " in
*' memory '*) ;;
*) "$here/image/build.sh" >/dev/null ;;
esac
answers || start_api "$@"
echo "endpoint: http://127.0.0.1:$port/v1"
echo "token: $state/token"
if [ -z "${HETZNER_SANDBOX_STATE:-}" ]; then
    add_key
    echo "key: $state/id_ed25519"
    docker network inspect --format 'gateway: {{(index .IPAM.Config 0).Gateway}}' hetzner-public
    mapfile -t images < <(grep -o 'arquitectura-sandbox/[^"]*' "$here/../settings.json" | sort -u)
    "$here/registry/start.sh" "${images[@]}"
fi
