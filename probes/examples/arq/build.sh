#!/bin/sh
# Builds this adapter: sh build.sh arq.wasm. Rust needs its target, once: rustup target add wasm32-unknown-unknown
set -eu
out=$(realpath "${1:?where to: sh build.sh arq.wasm}")
cd "$(dirname "$0")"
# cdylib makes a module with exports and no main. No crate is used, so there is nothing for Cargo to do.
rustc --edition 2021 --crate-type cdylib --target wasm32-unknown-unknown \
  -C opt-level=s -C panic=abort -C strip=symbols -o "$out" arq.rs
