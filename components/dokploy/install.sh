# Installs Dokploy on this server, once: a server that has it is left alone, and what an interrupted
# run has left behind is taken away first. Prints what it does; the installer's own words are in $log.
#
# Usage: sh -s -- URL PRIVATE_IP RANGE MTU [EDGE]
#   URL         of Dokploy's installer
#   PRIVATE_IP  this server's, where its swarm listens
#   RANGE       network that the swarm takes its own from
#   MTU         of the private network
#   EDGE        the container that serves ports 80 and 443 here. The installer wants them free, and
#               starts a Traefik of its own on them, which is then taken away. Without it that stays.
set -eu
state=/etc/arquitectura/dokploy
log=/var/log/arquitectura-dokploy.log
daemon=/etc/docker/daemon.json
routes=/etc/dokploy/traefik/dynamic
installer=/var/cache/arquitectura-dokploy-install.sh

refuse() { # REASON
    echo "$1" >&2
    exit 1
}

quit() { # REASON: with what Docker says, and the end of the installer's log without its secrets
    {
        echo "$1 (with dokploy.enabled set to false the stack comes up without it)."
        echo "What Docker says of it, and the end of $log:"
        docker service ps --no-trunc --format '{{.CurrentState}} {{.Error}}' dokploy 2>&1 | head -n 3
        tail -n 20 "$log" | sed 's/SWMTKN-[^ ]*/SWMTKN-…/'
    } >&2
    exit 1
}

# The edge comes back whatever happens, and needs its ports.
restart_edge() {
    docker rm --force dokploy-traefik >/dev/null 2>&1 || true
    docker start "$edge" >/dev/null
}

# Waits up to SECONDS until a command succeeds.
wait_for() { # SECONDS COMMAND...
    seconds=$1
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$seconds" -gt 0 ] || return 1
        seconds=$((seconds - 1))
        sleep 1
    done
}

is_free() { # PORT
    ! ss -Hltn "sport = :$1" | grep -q .
}

# Its health is green also when its database has no tables yet; this page then fails.
answers() {
    curl -fs --max-time 5 http://127.0.0.1:3000/
}

live_restore_is_off() {
    [ "$(docker info --format '{{.LiveRestoreEnabled}}')" = false ]
}

# Volumes of a server that this one replaces: their secrets went with it. They are kept for people.
keep_volumes() {
    for volume in $(docker volume ls --quiet --filter name=^dokploy); do
        kept=kept-$(date +%Y%m%d%H%M%S)-$volume
        echo "keeps the volume $volume of an earlier Dokploy as $kept"
        docker volume create "$kept" >/dev/null
        cp -a "$(path_of "$volume")/." "$(path_of "$kept")"
        docker volume rm "$volume" >/dev/null
    done
}

path_of() { # VOLUME
    docker volume inspect --format '{{.Mountpoint}}' "$1"
}

# Dokploy's own route to its page, which it makes at its start, would let everyone in by this name.
close_page() {
    mkdir -p "$routes"
    cat >"$routes/arquitectura.yml" <<'END'
http:
  routers:
    closed:
      rule: Host(`dokploy.docker.localhost`)
      entryPoints: [web, websecure]
      priority: 100000
      service: noop@internal
END
}

main() {
    url=$1 private_ip=$2 range=$3 mtu=$4 edge=${5-}
    exec 9>/run/lock/arquitectura-dokploy
    flock 9 # whose connection broke may still be at it
    [ "$(cat "$state" 2>/dev/null)" != installed ] || exit 0
    swarm=$(docker info --format '{{.Swarm.LocalNodeState}}')
    if [ ! -e "$state" ] && [ "$swarm" != inactive ]; then
        refuse "its Docker engine is in a swarm already, which this stack has not made: leave it \
(docker swarm leave --force removes all its services), or set dokploy.enabled to false"
    fi
    install -m 600 /dev/null "$log" # it names a secret of the swarm
    echo begun >"$state"
    trap 'exit 1' HUP INT TERM

    if [ "$swarm" != inactive ]; then
        echo "takes away what an interrupted installation has left"
        docker swarm leave --force >/dev/null
        docker rm --force dokploy-traefik >/dev/null 2>&1 || true
        wait_for 60 is_free 3000 || refuse "port 3000 does not become free"
        # Nobody has an account yet; another run makes another password for this database.
        docker volume ls --quiet --filter name=^dokploy | xargs -r docker volume rm >/dev/null
    else
        keep_volumes
    fi
    close_page
    # A swarm refuses to start with it.
    sed -i 's/"live-restore": true/"live-restore": false/' "$daemon"
    systemctl reload docker
    wait_for 30 live_restore_is_off || refuse "Docker does not turn its live-restore off"
    # The swarm would make it with packages that are too large for the private network.
    docker network inspect docker_gwbridge >/dev/null 2>&1 ||
        docker network create docker_gwbridge >/dev/null \
            --opt com.docker.network.driver.mtu="$mtu" \
            --opt com.docker.network.bridge.name=docker_gwbridge \
            --opt com.docker.network.bridge.enable_icc=false \
            --opt com.docker.network.bridge.enable_ip_masquerade=true

    echo "fetches the installer"
    for tool in curl openssl; do # the installer has its secrets from the second
        command -v "$tool" >/dev/null || apt-get install --yes --quiet "$tool" >>"$log" 2>&1 ||
            quit "$tool cannot be installed"
    done
    curl --fail --silent --show-error --location --retry 5 --max-time 60 --output "$installer" "$url" ||
        refuse "the installer cannot be had from $url"
    if [ -n "$edge" ] && docker container inspect "$edge" >/dev/null 2>&1; then
        echo "stops $edge for the time of the installation"
        trap restart_edge EXIT
        docker stop "$edge" >/dev/null
    fi
    echo "runs the installer"
    ADVERTISE_ADDR=$private_ip \
        DOCKER_SWARM_INIT_ARGS="--listen-addr $private_ip:2377 --default-addr-pool $range --default-addr-pool-mask-length 24" \
        timeout 1200 sh "$installer" >"$log" 2>&1 </dev/null ||
        quit "Dokploy's installer failed"
    echo "waits for Dokploy"
    wait_for 300 answers || quit "Dokploy does not answer after its installation"
    [ -z "$edge" ] || docker rm --force dokploy-traefik >/dev/null 2>&1 || true
    echo installed >"$state"
}

main "$@"
