#!/usr/bin/env bash
# Installs the system packages that napari, Qt, OpenGL and a virtual display need on Debian and
# Ubuntu; where that is not allowed, names the missing ones. Elsewhere there is nothing to do.
set -euo pipefail

packages=(
    python3 python3-venv ca-certificates fonts-dejavu-core xvfb xauth
    libegl1 libgl1 libgl1-mesa-dri libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1
    libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xkb1 libxkbcommon-x11-0
    libdbus-1-3 libfontconfig1 libglib2.0-0
)

command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || exit 0

# Newer releases call a library built for 64-bit time NAMEt64.
installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n 's/^ii *//p')
missing=()
for package in "${packages[@]}"; do
    grep -qxE "${package//./\\.}(t64)?" <<<"$installed" || missing+=("$package")
done
((${#missing[@]})) || exit 0

root=()
if [[ $(id -u) != 0 ]]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
        echo "System packages are missing and only an administrator can add them; run:" \
            "sudo apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    root=(sudo -n)
fi
echo "Installing system packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" >"$log" 2>&1; }
if ! { apt update && apt install --yes --no-install-recommends "${missing[@]}"; }; then
    tail -n 20 "$log" >&2
    echo "The system packages could not be installed (above); install them by hand:" \
        "${missing[*]}" >&2
    exit 1
fi
