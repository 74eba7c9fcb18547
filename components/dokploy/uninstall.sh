# Takes Dokploy away from this server, when no application is left on it.
#
# Usage: sh -s [-- check]   with `check` it only says whether one is left
set -eu
state=/etc/arquitectura/dokploy
daemon=/etc/docker/daemon.json

# Names of what Dokploy has deployed: services of the swarm, and projects of Docker Compose.
applications() {
    {
        docker service ls --format '{{.Name}}'
        docker ps --all --filter label=com.docker.compose.project \
            --format '{{.Label "com.docker.compose.project"}}'
    } | grep -Evx 'dokploy(-postgres|-redis|-traefik|-monitoring)?' | sort -u
}

main() {
    [ -e "$state" ] || exit 0
    exec 9>/run/lock/arquitectura-dokploy
    flock 9
    left=$(applications || true)
    if [ -n "$left" ]; then
        echo "there are applications on it, whose data would be lost: $(echo $left)." \
            "Delete them on Dokploy's page first, or set dokploy.enabled back to true" >&2
        exit 1
    fi
    [ "${1-}" != check ] || exit 0
    echo "takes Dokploy away"
    swarm=$(docker info --format '{{.Swarm.LocalNodeState}}')
    if [ "$swarm" != inactive ]; then
        docker service ls --quiet | xargs -r docker service rm >/dev/null
        # A network whose last container is still ending would stay, and keep the next swarm from
        # giving its range to another.
        seconds=60
        while [ "$seconds" -gt 0 ] && docker ps --all --quiet --filter label=com.docker.swarm.task | grep -q .; do
            seconds=$((seconds - 1))
            sleep 1
        done
        docker swarm leave --force >/dev/null
    fi
    docker ps --all --quiet --filter name=^dokploy | xargs -r docker rm --force >/dev/null
    docker volume ls --quiet --filter name=^dokploy | xargs -r docker volume rm >/dev/null
    docker network rm docker_gwbridge >/dev/null 2>&1 || true
    sed -i 's/"live-restore": false/"live-restore": true/' "$daemon"
    systemctl reload docker
    rm -rf /etc/dokploy "$state"
}

main "$@"
