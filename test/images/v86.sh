#!/usr/bin/env bash
# Gathers what a page needs to run V86: its files from npm, which must be
# installed, and SeaBIOS from Debian, each with its licence.
#
#   v86.sh FOLDER CACHE
#
# CACHE is that of packages.sh.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
npm=$here/../../web/node_modules/v86
packages=$(bash "$here/packages.sh" "$2")
rm -rf "$1"
mkdir -p "$1"
cp "$npm"/build/{libv86.mjs,v86.wasm} "$npm/LICENSE" "$1"
cp "$packages/usr/share/seabios/bios.bin" "$1"
cp "$packages/usr/share/seabios/vgabios-stdvga.bin" "$1/vgabios.bin"
cp "$packages/usr/share/doc/seabios/copyright" "$1/LICENSE-SEABIOS"
