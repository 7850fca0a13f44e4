#!/usr/bin/env bash
# Runs the tests of V86 in Node with the newest version that npm has, which may
# be newer than the one in web/package.json. It asks the network, and is
# therefore no part of `make test`.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --prefix "$work" --no-fund --no-audit --silent v86@latest
echo "v86 $(node -p "require('$work/node_modules/v86/package.json').version")"
CI=1 V86=$work/node_modules/v86/build/libv86.mjs npm --prefix web run --silent canary
