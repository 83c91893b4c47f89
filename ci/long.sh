#!/usr/bin/env bash
# The tests that take seconds of CPU each: kills, faults at every message, memory of long renders.
# `make test` leaves them out to stay below its time; run this before a release, and after changes
# to streams, servers, signals or memory.
#
#   ci/long.sh [pytest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-.venv/bin/python}" -m pytest -m long -n auto --dist worksteal "$@"
