#!/usr/bin/env bash
# Runs the tests that touch sockets, processes or clocks ROUNDS times on a busy machine, and all
# tests SUITE_ROUNDS times; names what failed. What it does and keeps: ci/flaky/rounds.py.
#
#   ci/flaky.sh [ROUNDS=20] [SUITE_ROUNDS=3] [--all] [--count REVISIONS] [pytest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-.venv/bin/python}" ci/flaky/rounds.py "$@"
