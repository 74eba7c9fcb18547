# What the scripts that build images share; to be sourced.
#
# Each image carries a label with the hash of the files it was made from (and of its base), so
# a second run builds nothing. The output of a build is shown only when it fails.
readonly LABEL=arquitectura.content
readonly BASE=arquitectura-sandbox/debian:bookworm
export DOCKER_BUILDKIT=0 # Debian's engine comes without BuildKit
work=$(mktemp -d)
readonly work
trap 'rm -rf "$work"' EXIT

content_hash() { # FOLDER [BASE-HASH]: of every file below the folder, by name, mode and content
    (cd "$1" && find . -type f -printf '%p %m\n' | LC_ALL=C sort &&
        find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) |
        cat - <(echo "${2-}") | sha256sum | cut -c1-16
}

image_hash() { # IMAGE: the hash it was built from, empty when it is absent
    docker image inspect --format "{{index .Config.Labels \"$LABEL\"}}" "$1" 2>/dev/null || true
}

build() { # IMAGE HASH COMMAND...: runs the command unless the image is up to date
    local image=$1 hash=$2 started=$SECONDS log
    shift 2
    if [ "$(image_hash "$image")" = "$hash" ]; then
        echo "$image: up to date"
        return
    fi
    log=$work/$(tr -c 'a-z0-9\n' - <<<"$image").log
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        echo "$image: the build failed after $((SECONDS - started)) s; its last lines are above" >&2
        return 1
    fi
    echo "$image: built in $((SECONDS - started)) s"
}

build_folder() { # IMAGE FOLDER: from its Dockerfile, with what its prepare.sh adds to the context
    local hash
    hash=$(image_hash "$BASE")
    if [ -z "$hash" ]; then
        echo "the image $BASE is missing: run sandbox/images/build.sh" >&2
        return 1
    fi
    hash=$(content_hash "$2" "$hash")
    build "$1" "$hash" docker_build "$1" "$hash" "$2"
}

docker_build() { # IMAGE HASH FOLDER
    local context=$3
    if [ -x "$3/prepare.sh" ]; then
        context=$(mktemp -d "$work/context.XXXXXX")
        "$3/prepare.sh" "$context" || return
    fi
    docker build --label "$LABEL=$2" --tag "$1" --file "$3/Dockerfile" "$context"
}
