#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other, for the time given
# (such as 30s), and stops at the first finding.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go} time=${1:-30s}
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# "go test -list" names the targets of a package, and then the package.
targets=$("$go" test -list '^Fuzz' ./... | awk '/^Fuzz/ { names[++n] = $1 } /^ok/ { for (i = 1; i <= n; i++) print $2, names[i]; n = 0 }')
[ -n "$targets" ] || { echo "no fuzz targets were found"; exit 1; }

# At the end of the time Go sometimes reports that end itself as a failure: a
# bare "context deadline exceeded". A finding says more than that.
only_the_end() {
  grep -q '^    context deadline exceeded$' "$output" && ! grep -qE 'Failing input|panic|hung or terminated|seed corpus|_test.go:' "$output"
}

# Coverage that varies, such as that of pools, has Go minimize each interesting
# input for a minute: it gets a bounded number of tries.
while read -r package target; do
  printf '== %s %s\n' "$package" "$target"
  "$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 200x "$package" 2>&1 </dev/null | tee "$output" || only_the_end
done <<<"$targets"
