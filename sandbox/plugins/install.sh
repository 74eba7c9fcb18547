#!/usr/bin/env bash
# Installs the stand-ins of the hcloud, minio and postgresql plugins for Pulumi, with an environment
# of their own. What is there already is left as it is. One whose SDK the repository's
# requirements.txt does not pin is left out: nothing can use it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pulumi_home=${PULUMI_HOME:-$HOME/.pulumi}
target=$pulumi_home/sandbox-plugins
export PATH=$pulumi_home/bin:$HOME/.local/bin:$PATH

version() { # NAME: the version of its SDK, which the plugin must have exactly
    sed -n "s/^pulumi-$1==\([0-9.]*\).*/\1/p" "$here/../../requirements.txt"
}
installed() { # NAME
    [ -x "$pulumi_home/plugins/resource-$1-v$(version "$1")/pulumi-resource-$1" ]
}

names=()
for name in hcloud minio postgresql; do
    if [ -n "$(version "$name")" ]; then names+=("$name"); fi
done
complete() {
    local name
    for name in "${names[@]}"; do installed "$name" || return; done
}

hash=$(cd "$here" && find standin requirements.txt install.sh -type f -not -name '*.pyc' -print0 |
    LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
if [ "$(cat "$target/hash" 2>/dev/null)" = "$hash" ] && complete; then
    echo "plugins ${names[*]}: up to date"
    exit 0
fi
command -v pulumi >/dev/null || {
    echo "pulumi is missing: run sandbox/toolchain/install.sh" >&2
    exit 1
}

mkdir -p "$target"
"$here/../make-environment.sh" "$target/venv" "$here/requirements.txt"
# Swapped at once: a run of Pulumi may be using what is there.
rm -rf "$target/new" "$target/old"
mkdir "$target/new"
cp -r "$here/standin" "$target/new/standin"
"$target/venv/bin/python" -m compileall -q "$target/new/standin"
if [ -e "$target/standin" ]; then mv "$target/standin" "$target/old"; fi
mv "$target/new/standin" "$target/standin"
rm -rf "$target/new" "$target/old"

for name in "${names[@]}"; do
    plugin=$target/pulumi-resource-$name
    cat >"$plugin" <<SCRIPT
#!/bin/sh
export PYTHONPATH='$target' PYTHONDONTWRITEBYTECODE=1
exec '$target/venv/bin/python' -m standin.$name $(version "$name")
SCRIPT
    chmod +x "$plugin"
    pulumi plugin install resource "$name" "$(version "$name")" --file "$plugin" --reinstall
    echo "plugin $name $(version "$name"): installed"
done
echo "$hash" >"$target/hash"
