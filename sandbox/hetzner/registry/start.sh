#!/usr/bin/env bash
# Starts the registry that the servers get their images from, brings it up to date with this
# machine's images, and prints its address.  Usage: start.sh IMAGE...
# It stands on the servers' public network, at an address that no server gets. ../start.sh, which
# calls it, has made both that network and the Python environment.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../images/lib.sh"
readonly NAME=hetzner-registry NETWORK=hetzner-public ADDRESS=172.31.203.2 PORT=5000
readonly LOCAL=127.0.0.1:8451
readonly IMAGE=arquitectura-sandbox/registry:2
target=${PULUMI_HOME:-$HOME/.pulumi}/sandbox-hetzner
readonly pushed=$target/pushed # ids of the images that are there
running() { docker container inspect --format '{{.State.Running}} {{.Image}}' "$NAME" 2>/dev/null; }

build_folder "$IMAGE" "$here" >/dev/null
if [ "$(running)" != "true $(docker image inspect --format '{{.Id}}' "$IMAGE")" ]; then
    docker rm --force "$NAME" >/dev/null 2>&1 || true
    docker run --detach --name "$NAME" --label arquitectura.sandbox.hetzner=registry \
        --network "$NETWORK" --ip "$ADDRESS" --publish "$LOCAL:$PORT" --restart unless-stopped \
        --volume "$NAME:/var/lib/docker-registry" "$IMAGE" >/dev/null
fi
deadline=$((SECONDS + 20))
until curl -s -o /dev/null --max-time 2 "http://$LOCAL/v2/"; do
    if [ "$SECONDS" -ge "$deadline" ]; then
        echo "the registry does not answer on $LOCAL; the end of its log:" >&2
        docker logs --tail 5 "$NAME" >&2
        exit 1
    fi
    sleep 0.1
done

wanted=$(docker image inspect --format '{{.Id}}' "$@" && docker inspect --format '{{.Id}}' "$NAME")
if [ "$(cat "$pushed" 2>/dev/null)" != "$wanted" ]; then
    "$target/venv/bin/python" "$here/push.py" "$LOCAL" "$@"
    echo "$wanted" >"$pushed"
fi
echo "registry: $ADDRESS:$PORT"
