#!/usr/bin/env bash
# Measures the MuseTalk engine on this machine's GPU, with random weights of the real shapes: the
# arithmetic is the same. Prints a table, and writes build/gpu.json.
#
#     ci/gpu.sh                   all of it, on a GPU (some minutes)
#     ci/gpu.sh --device cpu --tiny   the script itself, anywhere
#
# PYTHON names an interpreter that has torch; else `make test-musetalk` has made one.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv-musetalk/bin/python}
if ! "$PYTHON" -c 'import torch' 2>/dev/null; then
    echo "$PYTHON has no torch: run \`make test-musetalk\` first, or set PYTHON" >&2
    exit 1
fi
mkdir -p build
exec "$PYTHON" ci/musetalk/measure.py --json build/gpu.json "$@"
