#!/usr/bin/env bash
# Installs what is missing, and nothing twice: uv, the Python environment, the Pulumi CLI and, where
# only package registries answer, the sandbox.
#
# SANDBOX=1 asks for the sandbox, SANDBOX=0 forbids it; else it is used where Pulumi's own download
# site cannot be reached. A Pulumi CLI that is already installed decides by what it is.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly PULUMI_VERSION=3.274.1
export PULUMI_SKIP_UPDATE_CHECK=1
readonly PULUMI_HOME="${PULUMI_HOME:-$HOME/.pulumi}"
readonly SANDBOX_MARK="$PULUMI_HOME/sandbox"

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

python_is_new_enough() {
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

reaches_internet() {
    curl --silent --head --fail --location --max-time 5 https://get.pulumi.com >/dev/null 2>&1
}

reaches_registry() {
    python3 -m pip index versions uv >/dev/null 2>&1
}

uses_sandbox() {
    case "${SANDBOX:-}" in
        1) return 0 ;;
        0) return 1 ;;
    esac
    if command -v pulumi >/dev/null || [ -e "$SANDBOX_MARK" ]; then
        [ -e "$SANDBOX_MARK" ]
        return
    fi
    command -v curl >/dev/null || fail "curl is needed: install it"
    reaches_internet && return 1
    [ "$(uname)" = Linux ] && reaches_registry ||
        fail "https://get.pulumi.com does not answer: check the network, or install Pulumi yourself"
}

install_uv() {
    command -v uv >/dev/null && return
    say "installing uv into ~/.local/bin"
    if ! $sandbox && curl --silent --fail --location https://astral.sh/uv/install.sh |
        env UV_NO_MODIFY_PATH=1 UV_INSTALL_DIR="$HOME/.local/bin" sh >/dev/null 2>&1; then
        return
    fi
    python_is_new_enough || fail "Python 3.11 or newer is needed: install it (python3 --version)"
    python3 -m pip install --quiet --user uv 2>/dev/null ||
        python3 -m pip install --quiet --user --break-system-packages uv ||
        fail "uv cannot be installed: see https://docs.astral.sh/uv/getting-started/installation/"
}

install_python_environment() {
    if ! cmp -s requirements.txt .venv/requirements.txt; then
        say "installing the Python environment into .venv"
        [ -x .venv/bin/python ] || uv venv --quiet --python '>=3.11' .venv
        # Without compiled bytecode every command takes two seconds more.
        uv pip sync --quiet --python .venv/bin/python --require-hashes --compile-bytecode requirements.txt
        cp requirements.txt .venv/requirements.txt
    fi
    .venv/bin/python -m compileall -q components config program ops
}

install_pulumi() {
    if $sandbox; then
        say "only package registries answer: using sandbox/, which stands in for what they lack"
        sandbox/install.sh
        return
    fi
    command -v pulumi >/dev/null && return
    say "installing Pulumi $PULUMI_VERSION into ~/.pulumi/bin"
    curl --silent --fail --location https://get.pulumi.com |
        sh -s -- --version "$PULUMI_VERSION" --install-root "$PULUMI_HOME" --no-edit-path >/dev/null ||
        fail "Pulumi cannot be installed: see https://www.pulumi.com/docs/install/"
}

if uses_sandbox; then sandbox=true; else sandbox=false; fi
install_uv
install_python_environment
install_pulumi
