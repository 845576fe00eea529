#!/usr/bin/env bash
# tools/bench/raft.sh: what a step of the Raft core costs, hot and over ten thousand groups (tests/raft/bench.c).
#
#     tools/dev bench raft [rounds [groups]]
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${WEIR_BUILD:-build}/bench
mkdir -p "$build"
{ cmake -S . -B "$build" -G Ninja && ninja -C "$build" weir_raft_bench; } >"$build/build.log" 2>&1 ||
    { cat "$build/build.log"; exit 1; }
exec "$build/weir_raft_bench" "$@"
