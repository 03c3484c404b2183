#!/bin/sh
# Builds this adapter: sh build.sh resque.wasm. Debian has what it takes: apt-get install clang lld
set -eu
out=$(realpath "${1:?where to: sh build.sh resque.wasm}")
cd "$(dirname "$0")"
clang --target=wasm32 -ffreestanding -nostdlib -mbulk-memory -Os -Wall -Wextra -Werror \
  -Wl,--no-entry -o "$out" resque.c
