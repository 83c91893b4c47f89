#!/usr/bin/env bash
# Builds ext/ with the address and undefined-behaviour sanitizers in build/sanitize, beside the
# build in use, and runs the tests of the kernels and the wire and SECONDS of fuzzing under them.
# Fails with the first report; the seed makes the fuzzing happen again.
#
#   ci/sanitize.sh [SECONDS] [--seed N]
set -euo pipefail
usage="usage: ci/sanitize.sh [SECONDS] [--seed N]"
seconds=60
if [[ ${1:-} =~ ^[0-9]+$ ]]; then seconds=$1; shift; fi
[[ $# -eq 0 || ( $1 == --seed && $# -eq 2 ) ]] || { echo "$usage" >&2; exit 2; }

root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
tree=$root/build/sanitize
inputs=$root/build/fuzz
sanitizers="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"

rm -rf "$tree"
mkdir -p "$tree"
cp -r "$root"/{musetalk_fast,ext,build_steps,tests,setup.py,pyproject.toml,README.md,LICENSE} "$tree"
find "$tree" -name "*.so" -delete
cd "$tree"
MUSETALK_BUILD_EXTENSIONS=require MUSETALK_EXTRA_CFLAGS="$sanitizers -g -O1" LDFLAGS=$sanitizers CC=gcc \
    "$python" setup.py --quiet build_ext --inplace >build.log 2>&1 || { cat build.log >&2; exit 1; }

# The interpreter is not built so: the runtimes come first, and the C++ one with them, whose
# exceptions they intercept. Only what malloc gives is watched.
preload=""
for library in libasan.so libubsan.so libstdc++.so; do
    preload+=$(gcc -print-file-name=$library):
done
export PYTHONPATH=$tree PYTHONMALLOC=malloc
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1
sanitized() { LD_PRELOAD=${preload%:} "$python" "$@"; }

sanitized -c 'from musetalk_fast.kernels import native
assert native.load("lines").__file__.startswith("'"$tree"'"), "another build is in the way"'
cat >conftest.py <<'PROFILE'
from hypothesis import HealthCheck, settings

slow = [HealthCheck.too_slow]
settings.register_profile("sanitized", deadline=None, derandomize=True, suppress_health_check=slow)
PROFILE
sanitized -m pytest --quiet -p no:cacheprovider --hypothesis-profile sanitized tests/kernels tests/wire
sanitized tests/fuzzing/fuzz.py --seconds "$seconds" --folder "$inputs" "$@" || {
    # A sanitizer ends the process: the input that was on stands where it was written.
    [[ ! -e $inputs/on.hex ]] || { head -n 1 "$inputs/on.hex"; echo "its input is $inputs/on.hex"; }
    exit 1
}
