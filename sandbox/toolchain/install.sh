#!/usr/bin/env bash
# Builds the Pulumi CLI, its Python language host and its plugins from Go modules, for machines that
# reach only package registries, and installs them where Pulumi itself would: in $PULUMI_HOME, else
# ~/.pulumi. What is there already is left as it is.
set -euo pipefail
cd "$(dirname "$0")"

readonly HOME_DIR="${PULUMI_HOME:-$HOME/.pulumi}"
readonly STAMP="$HOME_DIR/toolchain.sha256"
readonly REQUIREMENTS=../../requirements.txt
readonly CLI=github.com/pulumi/pulumi/pkg/v3/cmd/pulumi
readonly SDK=github.com/pulumi/pulumi/sdk/v3
export GOFLAGS=-buildvcs=false GOWORK=off GOTOOLCHAIN=local PULUMI_SKIP_UPDATE_CHECK=1

say() { printf 'toolchain: %s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }

cli_version() { sed -n "s|^.*$SDK v\([^ ]*\).*|\1|p" cli/go.mod; }

# One line for each plugin that the program needs: name and version. The version must be the SDK's,
# or the engine looks for another one.
plugins() {
    sed -nE 's/^pulumi-(docker|random|tls)==([^ ;]+).*/\1 \2/p' "$REQUIREMENTS"
}

# The hash of everything that decides what gets built.
fingerprint() {
    { find install.sh cli plugins -type f ! -name '*_test.go' | sort | xargs sha256sum; plugins; } |
        sha256sum | cut -d ' ' -f 1
}

is_installed() {
    [ "$(cat "$STAMP" 2>/dev/null)" = "$1" ] || return 1
    [ -x "$HOME_DIR/bin/pulumi" ] && [ -x "$HOME_DIR/bin/pulumi-language-python" ] || return 1
    local name version
    while read -r name version; do
        [ -x "$HOME_DIR/plugins/resource-$name-v$version/pulumi-resource-$name" ] || return 1
    done < <(plugins)
}

check_go() {
    local minimum found
    minimum=$(sed -n 's/^go //p' cli/go.mod)
    found=$(go env GOVERSION 2>/dev/null) || found=none
    printf '%s\n' "$minimum" "${found#go}" | sort --version-sort --check=quiet &&
        [ "$found" != none ] ||
        fail "building Pulumi needs Go $minimum or newer, and this machine has ${found#go}:" \
            "install it from the registry that you use"
}

build_cli() {
    local ldflags sources
    ldflags="-s -w -X $SDK/go/common/version.Version=$(cli_version)"
    go -C cli build -trimpath -ldflags "$ldflags" -o "$STAGE/" "$CLI" ./pulumi-language-python &&
        sources=$(go -C cli list -m -f '{{.Dir}}' "$SDK") &&
        install -m 755 "$sources/python/cmd/pulumi-language-python-exec" \
            "$sources/python/dist/pulumi-resource-pulumi-python" "$STAGE/" &&
        mkdir -p "$HOME_DIR/bin" &&
        mv "$STAGE"/pulumi* "$HOME_DIR/bin/"
}

build_plugin() {
    local name=$1 version=$2
    # no_compose leaves out Compose, a large library that no class of the SDK uses.
    go -C plugins build -trimpath -tags no_compose -ldflags "-s -w -X main.version=$version" \
        -o "$STAGE/$name" "./$name" &&
        "$HOME_DIR/bin/pulumi" plugin install resource "$name" "$version" \
            --file "$STAGE/$name" --reinstall
}

# piece NAME COMMAND…: runs the command; shows its output only when it fails.
piece() {
    local name=$1 started=$SECONDS
    shift
    "$@" >"$STAGE/log" 2>&1 || { cat "$STAGE/log" >&2; fail "$name could not be built: see above"; }
    say "$name, $((SECONDS - started)) s"
}

mkdir -p "$HOME_DIR"
# Whoever comes second waits, and finds everything done.
exec 9>"$HOME_DIR/toolchain.lock"
flock --timeout 1800 9 || fail "another installation holds $HOME_DIR/toolchain.lock for half an hour"

hash=$(fingerprint)
summary="Pulumi $(cli_version) and plugins $(plugins | tr '\n' ',' | sed 's/,$//; s/,/, /g')"
if is_installed "$hash"; then
    say "$summary are there"
    exit
fi
check_go
STAGE=$(mktemp -d "$HOME_DIR/toolchain.XXXXXX")
readonly STAGE
trap 'rm -rf "$STAGE"' EXIT

say "building $summary from Go modules; the first time this takes up to ten minutes"
# The compiler needs the cores and the download does not: the plugins' modules come meanwhile.
go -C plugins list -deps -tags no_compose ./... >/dev/null 2>&1 & prefetch=$!
piece "pulumi $(cli_version) with its Python language host" build_cli
wait "$prefetch" || true # the build says what is wrong
while read -r name version; do
    piece "plugin $name $version" build_plugin "$name" "$version"
done < <(plugins)
echo "$hash" >"$STAMP"
