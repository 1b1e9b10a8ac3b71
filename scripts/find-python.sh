#!/usr/bin/env bash
# Prints the first Python here that is new enough and can make a virtual environment.
set -euo pipefail

check='import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
for python in "${PYTHON:-python3}" python3.12 python3.13 python3.11 /usr/bin/python3; do
    if "$python" -c "$check" >/dev/null 2>&1; then
        command -v "$python"
        exit 0
    fi
done
echo "No Python 3.11 to 3.13 with the venv module was found; install one and run make again," \
    "or name it: make PYTHON=/path/to/python3 ..." >&2
exit 1
