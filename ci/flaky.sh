#!/usr/bin/env bash
# Does a test fail by chance? Runs the tests that touch sockets, processes or clocks ROUNDS times,
# with four busy processes beside them, then all tests SUITE_ROUNDS times; names what failed, in
# which rounds. The logs of rounds that failed stay in build/flaky.
#
#   ci/flaky.sh [ROUNDS=20] [SUITE_ROUNDS=3] [pytest arguments, such as -k proxy]
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-20} suite_rounds=${2:-3}
shift $(($# < 2 ? $# : 2))
python=${PYTHON:-.venv/bin/python}
touchy=(tests/cli tests/client tests/faults tests/media tests/rendering tests/server
    tests/test_{batching,docs,end_to_end,openapi,protocol_page,public_api,storage,system_limits}.py)
logs=build/flaky
rm -rf "$logs"
mkdir -p "$logs"
busy=()
finish() {
    ((${#busy[@]} == 0)) || kill "${busy[@]}" 2>/dev/null || true
    busy=()
}
trap finish EXIT

failed=0
round() { # NAME PYTEST-ARGUMENTS
    local name=$1 began=$SECONDS status=0 log=$logs/$1.log
    shift
    "$python" -m pytest -n auto --dist worksteal --quiet -rfE -m "" "$@" >"$log" 2>&1 || status=$?
    echo "$name: $(tail -n 1 "$log") (status $status, $((SECONDS - began)) s)"
    if ((status == 0)); then
        rm "$log"
        return
    fi
    failed=$((failed + 1))
    awk -v round="$name" '/^(FAILED|ERROR) .*::/ {
        sub(/^[A-Z]+ /, ""); sub(/ - .*/, ""); print $0 "\t" round
    }' "$log" >"$logs/$name.failed"
    [[ -s $logs/$name.failed ]] || printf 'no test, see %s\t%s\n' "$log" "$name" >"$logs/$name.failed"
}

for _ in 1 2 3 4; do
    "$python" -c "while True: pass" &
    busy+=($!)
done
for ((number = 1; number <= rounds; number++)); do
    round "loaded-$number" "${touchy[@]}" "$@"
done
finish
for ((number = 1; number <= suite_rounds; number++)); do
    round "suite-$number" "$@"
done

((failed > 0)) || { echo "nothing failed in $rounds + $suite_rounds rounds"; exit 0; }
echo "failed, how often and where:"
awk -F '\t' -v rounds=$((rounds + suite_rounds)) '
    { count[$1]++; where[$1] = where[$1] " " $2 }
    END { for (test in count) print count[test] " of " rounds ": " test " in" where[test] }
' "$logs"/*.failed | sort -rn
exit 1
