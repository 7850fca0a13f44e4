#!/usr/bin/env bash
# Installs what the tests need beyond Go and Node: Debian, as root. Elsewhere it
# says what to install, and the tests that need it are skipped.
set -euo pipefail

wanted=(
  gcc:gcc # of the race detector, with libc6-dev
  nbdkit:nbdkit qemu-nbd:qemu-utils nbd-server:nbd-server nbdcopy:libnbd-bin certtool:gnutls-bin
  chromium:chromium firefox-esr:firefox-esr
  e2fsck:e2fsprogs fsck.fat:dosfstools mtype:mtools sfdisk:fdisk
)
PATH=$PATH:/usr/sbin:/sbin
missing=()
for item in "${wanted[@]}"; do
  command -v "${item%%:*}" >/dev/null || missing+=("${item##*:}")
done
[ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "Some tests can't run. For all of them, as root: apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 0
fi
echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }
# The lists of a fresh machine are empty, those of an old one stale.
install 2>/dev/null || { apt-get update -qq && install; }
