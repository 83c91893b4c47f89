#!/usr/bin/env bash
# Runs the tests that touch sockets, processes or clocks twenty times on a busy machine, and all
# tests three times; names what failed. What it does and keeps: ci/flaky/rounds.py.
#
#   ci/flaky.sh [--loaded ROUNDS] [--suite ROUNDS] [--all] [--count REVISIONS] [pytest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-.venv/bin/python}" ci/flaky/rounds.py "$@"
