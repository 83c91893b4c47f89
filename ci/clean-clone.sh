#!/usr/bin/env bash
# The README's two commands on a fresh clone, with their durations, as a new user would run them.
set -euo pipefail
source=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git clone --quiet "$source" "$folder/clone"
cd "$folder/clone"
for target in demo test; do
    began=$SECONDS
    make "$target"
    echo "make $target: $((SECONDS - began)) s"
done
cp demo.mp4 "${1:-/tmp/demo.mp4}"
