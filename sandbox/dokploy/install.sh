#!/bin/sh
# Stands in for Dokploy's installer, for tests. It asks of a server what the real one does, and
# leaves it in the same state, with a model in Dokploy's place; see README.md.
# @IMAGE@ and @BUSYBOX@ are replaced by whoever serves this file.
set -eu

[ "$(id -u)" = 0 ] || { echo "This script must be run as root" >&2; exit 1; }
for port in 80 443 3000; do
    if ss -Hltn "sport = :$port" | grep -q .; then
        echo "Error: something is already running on port $port" >&2
        exit 1
    fi
done

docker swarm leave --force 2>/dev/null || true
# Without quotes, as the real one: it is a list of options.
docker swarm init --advertise-addr "$ADVERTISE_ADDR" ${DOCKER_SWARM_INIT_ARGS-}
docker network rm --force dokploy-network 2>/dev/null || true
docker network create --driver overlay --attachable dokploy-network
mkdir -p /etc/dokploy/traefik/dynamic
chmod 777 /etc/dokploy
docker service create --detach --name dokploy --network dokploy-network --endpoint-mode dnsrr \
    --mount type=volume,source=dokploy,target=/root/.docker \
    --publish published=3000,target=3000,mode=host @IMAGE@
docker run --detach --name dokploy-traefik --restart always \
    --publish 80:80/tcp --publish 443:443/tcp @BUSYBOX@ \
    sh -c 'mkdir /empty; httpd -p 443 -h /empty; exec httpd -f -p 80 -h /empty'
echo "Congratulations, Dokploy is installed!"
