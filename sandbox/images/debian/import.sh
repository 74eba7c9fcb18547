#!/usr/bin/env bash
# Makes a minimal Debian 12 and imports it as a Docker image.  Usage: import.sh IMAGE LABEL=VALUE
#
# Needs root and debootstrap. The image gets the package sources and the download settings
# (proxy and the like) that apt uses on this machine, so that `apt-get` inside `docker build`
# works where it works here.
set -euo pipefail

image=$1
label=$2
rootfs=$(mktemp -d)
trap 'rm -rf --one-file-system "$rootfs"' EXIT

if [ "$(id -u)" != 0 ]; then
    echo "the Debian base image is made with debootstrap, which needs root: run it as root" >&2
    exit 1
fi
command -v debootstrap >/dev/null || apt-get install -y --no-install-recommends debootstrap

debootstrap --variant=minbase bookworm "$rootfs"

if grep -qx 'VERSION_CODENAME=bookworm' /etc/os-release; then
    rm -f "$rootfs/etc/apt/sources.list"
    for sources in /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources}; do
        [ ! -s "$sources" ] || grep -q 'https://' "$sources" ||
            cp --parents "$sources" "$rootfs"
    done
fi
apt-config dump | grep '^Acquire::' >"$rootfs/etc/apt/apt.conf.d/90host"
# Every server of the sandbox pulls its images: what nobody reads is left out.
printf 'path-exclude=/usr/share/%s/*\n' doc info locale man >"$rootfs/etc/dpkg/dpkg.cfg.d/small"
rm -rf "$rootfs"/var/cache/apt/archives/*.deb "$rootfs"/var/lib/apt/lists/* \
    "$rootfs"/usr/share/{doc,info,locale,man}/* "$rootfs"/var/log/*.log

tar -C "$rootfs" -c . | docker import --change "LABEL $label" --change 'CMD ["bash"]' - "$image"
