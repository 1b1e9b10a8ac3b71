#!/usr/bin/env bash
# Runs a command on the display that is there, or on a virtual one where there is none.
# With --offscreen always on a virtual one, if xvfb is installed.
set -euo pipefail

has_display=no
if [[ -n "${DISPLAY:-}" || -n "${WAYLAND_DISPLAY:-}" || "$(uname -s)" == Darwin ]]; then
    has_display=yes
fi
if [[ "${1:-}" == --offscreen ]]; then
    shift
    command -v xvfb-run >/dev/null && has_display=no
fi
if [[ $has_display == yes ]]; then
    exec "$@"
fi
if ! command -v xvfb-run >/dev/null; then
    echo "There is no display and no xvfb-run; install xvfb and xauth, or run this on a desktop." >&2
    exit 1
fi
# The desktop platform of Qt must be X here, whatever the session says.
export QT_QPA_PLATFORM=xcb STDIFF_VIRTUAL_DISPLAY=1
exec xvfb-run --auto-servernum --server-args="-screen 0 1600x1200x24" "$@"
