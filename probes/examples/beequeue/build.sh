#!/bin/sh
# Builds this adapter: sh build.sh beequeue.wasm. First, once: npm install
set -eu
out=$(realpath "${1:?where to: sh build.sh beequeue.wasm}")
cd "$(dirname "$0")"
# --use abort= leaves out the import of env.abort, which the host refuses; what aborts then traps.
node node_modules/assemblyscript/bin/asc.js beequeue.ts -o "$out" --use abort= --runtime minimal --optimize
