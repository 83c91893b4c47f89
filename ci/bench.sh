#!/usr/bin/env bash
# Is HEAD slower than REV? Builds both, runs HEAD's benches on each in turn, compares medians: those
# of kernels and stages, and with --program the program's own cost without its encoder.
# Fails where a row takes over 10 % longer and the difference is beyond the runs' own noise.
#
#   ci/bench.sh --against REV [--runs N] [--program] [pytest arguments, such as -k base64]
set -euo pipefail
usage="usage: ci/bench.sh --against REV [--runs N] [--program] [pytest arguments]"
against="" runs=5 program=""
while [[ $# -gt 0 ]]; do
    case $1 in
        --against) against=${2:?$usage}; shift 2 ;;
        --runs) runs=${2:?$usage}; shift 2 ;;
        --program) program="benches/test_program.py::test_outside_the_encoder[program/naive-client]"; shift ;;
        *) break ;;
    esac
done
[[ -n $against ]] || { echo "$usage" >&2; exit 2; }

root=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
python=${PYTHON:-$root/.venv/bin/python}
folder=$(mktemp -d)
finish() {
    for side in then now; do
        git -C "$root" worktree remove --force "$folder/$side" 2>/dev/null || true
    done
    rm -rf "$folder"
}
trap finish EXIT

[[ -z $(git -C "$root" status --porcelain) ]] || echo "changes that are not committed are not measured"
build() { # SIDE REV
    git -C "$root" worktree add --quiet --detach "$folder/$1" "$2"
    (cd "$folder/$1" && MUSETALK_BUILD_EXTENSIONS=require "$python" setup.py --quiet build_ext --inplace) \
        >"$folder/$1.log" 2>&1 || { cat "$folder/$1.log" >&2; exit 1; }
}
build then "$against"
build now HEAD

# The benches are HEAD's on both sides, the package is the side's own.
rm -rf "$folder/then/benches"
cp -r "$folder/now/benches" "$folder/then/benches"

bench() { # SIDE RUN ARGUMENTS
    local side=$1 run=$2
    shift 2
    (cd "$folder/$side" && PYTHONPATH=$folder/$side "$python" -m pytest --quiet --rootdir . \
        -c "$folder/now/pyproject.toml" -p no:cacheprovider --continue-on-collection-errors \
        --rows "$folder/$side.$run.json" --brief \
        benches/test_kernel_*.py benches/test_{part,bench_infer,pipeline}.py ${program:+"$program"} "$@"
    ) >"$folder/$side.$run.log" 2>&1
}
for ((run = 1; run <= runs; run++)); do
    # What is new in HEAD does not run on what was before it.
    bench then "$run" "$@" || ((run > 1)) || grep -E "^(ERROR|FAILED)" "$folder/then.$run.log" || true
    bench now "$run" "$@" || { cat "$folder/now.$run.log" >&2; exit 1; }
done
[[ -e $folder/then.1.json ]] || { cat "$folder/then.1.log" >&2; exit 1; }
"$python" "$root/ci/compare_rows.py" --then "$folder"/then.*.json --now "$folder"/now.*.json
