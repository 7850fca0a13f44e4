#!/usr/bin/env bash
# Installs the foreign programs that the tests talk to: Debian, as root.
# Elsewhere it says what to install, and the tests that need it are skipped.
set -euo pipefail

wanted=(
  nbdkit:nbdkit qemu-nbd:qemu-utils nbd-server:nbd-server nbdcopy:libnbd-bin certtool:gnutls-bin
  chromium:chromium firefox-esr:firefox-esr
  e2fsck:e2fsprogs fsck.fat:dosfstools mtype:mtools sfdisk:fdisk
)
PATH=$PATH:/usr/sbin:/sbin
missing=()
for item in "${wanted[@]}"; do
  command -v "${item%%:*}" >/dev/null || missing+=("${item##*:}")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "Some tests will be skipped. To run them all: apt-get install ${missing[*]}" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
