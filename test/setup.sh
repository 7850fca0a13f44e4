#!/usr/bin/env bash
# Installs what the tests need beyond Go and Node: Debian, as root. Elsewhere it
# says what to install, and the tests that need it are skipped. With names of
# programs and files it installs those alone.
set -euo pipefail
cd "$(dirname "$0")"
export DEBIAN_FRONTEND=noninteractive

wanted=(
  gcc:gcc # of the race detector, with libc6-dev
  nbdkit:nbdkit qemu-nbd:qemu-utils nbd-server:nbd-server nbd-client:nbd-client
  nbdcopy:libnbd-bin nbdsh:python3-libnbd certtool:gnutls-bin
  chromium:chromium firefox-esr:firefox-esr WebKitWebDriver:webkit2gtk-driver Xvfb:xvfb
  nginx:nginx-light haproxy:haproxy certutil:libnss3-tools
  e2fsck:e2fsprogs fsck.fat:dosfstools mtype:mtools sfdisk:fdisk
  grub-mkimage:grub-common cpio:cpio sgdisk:gdisk mmls:sleuthkit zstd:zstd openssl:openssl mkfs.exfat:exfatprogs mkntfs:ntfs-3g mkfs.xfs:xfsprogs
  mkfs.btrfs:btrfs-progs mkfs.f2fs:f2fs-tools cryptsetup:cryptsetup-bin mksquashfs:squashfs-tools
  mkfs.erofs:erofs-utils genisoimage:genisoimage mkudffs:udftools xorriso:xorriso debugfs:e2fsprogs fls:sleuthkit
)
# What has no program: a file, and the package with it.
wanted_files=(
  /usr/include/stdlib.h:libc6-dev /usr/include/ntfs-3g/volume.h:ntfs-3g-dev
  /usr/lib/grub/i386-pc/boot.img:grub-pc-bin /usr/share/seabios/bios.bin:seabios
)
measured=(websockify:websockify) # by `make bench-bridge` alone
PATH=$PATH:/usr/sbin:/sbin

install_packages() {
  local item missing=() only=" ${*:-${wanted[*]%%:*}} "
  for item in "${wanted[@]}" "${measured[@]}"; do
    [[ $only == *" ${item%%:*} "* ]] || continue
    command -v "${item%%:*}" >/dev/null || missing+=("${item##*:}")
  done
  [ $# != 0 ] || only=" ${wanted_files[*]%%:*} "
  for item in "${wanted_files[@]}"; do
    [[ $only == *" ${item%%:*} "* ]] || continue
    [ -e "${item%%:*}" ] || missing+=("${item##*:}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Not everything can run. For all of it, as root: apt-get install --no-install-recommends ${missing[*]}" >&2
    return 0
  fi
  echo "Installing ${missing[*]}"
  # The lists of a fresh machine are empty, those of an old one stale.
  apt_install "${missing[@]}" 2>/dev/null || { apt-get update -qq && apt_install "${missing[@]}"; }
}

# Some packages bring a daemon. policy-rc.d is how Debian is told not to start
# it; a machine that has one keeps its own. In a subshell, for its trap.
apt_install() (
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
  fi
  apt-get install -y -qq --no-install-recommends "$@" >/dev/null
)

# A second qemu, of the distribution's backports: the only peer with extended
# headers. It is unpacked beside the first one, which stays as it is.
qemu_new=.qemu10
unpack_qemu() {
  [ ! -x $qemu_new/usr/bin/qemu-nbd ] || return 0
  echo "Unpacking a new qemu into test/$qemu_new"
  # In a subshell that ends at the first failure, also behind a condition.
  bash -euo pipefail -c ". ./debian.sh; $(declare -f fetch_qemu); fetch_qemu $qemu_new" && return
  rm -rf $qemu_new
  echo "The tests with extended headers can't run: qemu-utils of the distribution's backports can't be had or does not start" >&2
}

# fetch_qemu FOLDER
fetch_qemu() {
  work=$(mktemp -d)
  trap "rm -rf '$work'" EXIT
  private_apt "$work" "$(. /etc/os-release && echo "$VERSION_CODENAME")-backports" "$(dpkg --print-architecture)"
  (cd "$work" && "${apt[@]}" download qemu-utils)
  dpkg -x "$work"/qemu-utils_*.deb "$1"
  "$1/usr/bin/qemu-nbd" --version >/dev/null # its libraries must be there
}

# What boots in emulators is unpacked too, since it is for another machine.
unpack_linux() {
  bash images/packages.sh .packages >/dev/null && return
  echo "The tests that boot Linux can't run: its packages can't be had" >&2
}

install_packages "$@"
if [ $# = 0 ] && command -v apt-get >/dev/null; then
  unpack_qemu
  unpack_linux
fi
