#!/bin/sh
# Builds this adapter: sh build.sh dramatiq.wasm. Zig is on PyPI: pip install ziglang==0.17.1
set -eu
out=$(realpath "${1:?where to: sh build.sh dramatiq.wasm}")
cd "$(dirname "$0")"
# Without -rdynamic nothing is exported. Zig's cache would be put here.
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT
python3 -m ziglang build-exe dramatiq.zig -target wasm32-freestanding -fno-entry -rdynamic \
  -O ReleaseSmall -fstrip --cache-dir "$cache" -femit-bin="$out"
