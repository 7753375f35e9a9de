#!/bin/sh
# rustc for the crates of the workspace (cargo's RUSTC_WORKSPACE_WRAPPER): instrumented for libFuzzer, with checks.
# What they depend on is that of the unit tests, so that it is compiled once.
case " $* " in
*" --crate-name build_script_"*) exec "$@" ;;
esac
exec "$@" --cfg=fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Copt-level=1 -Cdebug-assertions=yes -Coverflow-checks=yes -Cdebuginfo=line-tables-only -Cstrip=none
