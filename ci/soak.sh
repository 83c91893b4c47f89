#!/usr/bin/env bash
# Renders under a random mix of faults for HOURS; prints what was injected, survived and lost, also
# if it is stopped with Ctrl-C.
# Fails with the first render that does not end in the right video; the seed makes it happen again.
#
#   ci/soak.sh HOURS [--seed N]
set -euo pipefail
hours=${1:?usage: ci/soak.sh HOURS [--seed N]}
shift
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
seconds=$("$python" -c 'import sys; print(float(sys.argv[1]) * 3600)' "$hours")
PYTHONPATH=$root exec "$python" "$root/tests/faults/random_mix.py" --seconds "$seconds" "$@"
