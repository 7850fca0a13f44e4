#!/usr/bin/env bash
# Runs every suite, also after one has failed, in two lanes side by side: those
# of browsers mostly wait. The summary at the end names what failed and every
# test that was skipped; in CI a skip is a failure.
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d)
mkdir "$work/tallies" "$work/failed"
trap 'rm -rf "$work"' EXIT
trap 'trap - TERM; kill 0' INT TERM # the second lane does not hear of Ctrl-C

# suite NAME COMMAND...: the command leaves a line for each test in $tally.
suite() {
  local name=$1 begin=$SECONDS
  shift
  tally=$work/tallies/$name
  printf '\n== %s\n' "$name"
  "$@"
  local code=$?
  printf '== %s: %d s\n' "$name" $((SECONDS - begin))
  [ $code != 0 ] || return 0
  touch "$work/failed/$name"
  # A build or a hook can fail without a test: the count must show it.
  grep -qs '^fail' "$tally" || echo "fail $name" >>"$tally"
}

go_native() { go test -json -race $(go list ./... | grep -v /test/disks) | go run ./test/report -tally "$tally"; }

# They hash much and share nothing: the race detector would take minutes for it.
go_disks() { go test -json ./test/disks | go run ./test/report -tally "$tally"; }

# A module of its own, as the programs are that embed the bridge.
go_example() { (cd examples/embed && go test -json -race ./...) | go run ./test/report -tally "$tally"; }

# The program that runs the tests in Node hands its whole environment to
# WebAssembly, which has little room for it.
go_js() {
  local exec
  exec="$(go env GOROOT)/lib/wasm/go_js_wasm_exec"
  GOOS=js GOARCH=wasm go test -json -exec="env -i PATH=$PATH HOME=$HOME CI=${CI:-} $exec" ./nbd/... ./disk/... ./evidence/... ./wasm/client ./wasm/boundary ./wasm/inspect ./wasm/acquire | go run ./test/report -tally "$tally"
}

# node_tests PATTERN [FLAG...]: the files of web/test, by the program $node
node=node
node_tests() {
  local pattern=$1
  shift
  (shopt -s extglob && cd web && "$node" --test "$@" --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=./test/tally.js --test-reporter-destination="$tally" test/$pattern.test.js)
}

# The client wants Node 22. Where the machine's is older, npm brought one.
node22_tests() {
  local node=node
  node -e 'process.exit(parseInt(process.versions.node) < 22 ? 1 : 0)' || node=node_modules/.bin/node
  node_tests 'node22/*' --test-concurrency=1
}

count() { cat "$work"/tallies/* | grep -c "^$1"; }

# One browser in each lane: two cores do not carry more.
browsers() { suite "Chromium, Firefox and WebKit" node_tests 'browser/!(vm*)' --test-concurrency=1; }

browsers >"$work/browsers" 2>&1 &
suite "Go, native, with the race detector" go_native
suite "Disks of other tools" go_disks
suite "The example of embedding" go_example
suite "Go, WebAssembly in Node" go_js
suite "JavaScript in Node" node_tests 'unit/*'
suite "The client in Node 22" node22_tests
suite "Machines in Chromium and Firefox" node_tests 'browser/vm*' --test-concurrency=1
tail -n +1 --pid=$! -f "$work/browsers"
wait $!

echo
cat "$work"/tallies/* | sed -n 's/^skip /SKIPPED /p; s/^fail /FAILED  /p'
ls "$work/failed" | sed 's/^/Failed suite: /'
passes=$(count pass) fails=$(count fail) skips=$(count skip)
code=0
if [ "$fails" -gt 0 ] || [ -n "$(ls "$work/failed")" ]; then code=1; fi
if [ -n "${CI:-}" ] && [ "$skips" -gt 0 ]; then
  echo "In CI nothing may be skipped."
  code=1
fi
echo "$passes passed, $fails failed, $skips skipped"
exit $code
