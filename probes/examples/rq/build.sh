#!/bin/sh
# Builds this adapter: sh build.sh rq.wasm. It takes nothing but Go.
set -eu
out=$(realpath "${1:?where to: sh build.sh rq.wasm}")
cd "$(dirname "$0")"
# c-shared makes a reactor, which has exports and no main that ends.
GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags='-s -w' -o "$out" .
