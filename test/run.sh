#!/usr/bin/env bash
# Runs every suite, also after one has failed, and tells at the end which did.
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin:/sbin
failed=()

suite() {
  local name=$1
  shift
  printf '\n== %s\n' "$name"
  "$@" || failed+=("$name")
}

go_native() { go test -json -race ./... | go run ./test/report; }

# The program that runs the tests in Node hands its whole environment to
# WebAssembly, which has little room for it.
go_js() {
  local exec
  exec="$(go env GOROOT)/lib/wasm/go_js_wasm_exec"
  GOOS=js GOARCH=wasm go test -json -exec="env -i PATH=$PATH HOME=$HOME CI=${CI:-} $exec" ./nbd/... ./wasm/client | go run ./test/report
}

bash test/setup.sh
suite "Go, native, with the race detector" go_native
suite "Go, WebAssembly in Node" go_js
suite "JavaScript in Node" npm --prefix web run --silent unit
suite "Chromium and Firefox" npm --prefix web run --silent browser

if [ ${#failed[@]} -gt 0 ]; then
  printf '\nFailed: %s\n' "${failed[*]}"
  exit 1
fi
printf '\nAll suites passed.\n'
