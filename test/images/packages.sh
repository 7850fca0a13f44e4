#!/usr/bin/env bash
# Unpacks what the images are made of, which no machine has installed: Debian's
# kernel and busybox for i386, and SeaBIOS. Prints the folder.
#
#   packages.sh CACHE
set -euo pipefail
. "$(dirname "$(realpath "$0")")/../debian.sh"
suite=bookworm # the last one with a kernel for i386
mkdir -p "$1"
cache=$(realpath "$1")
unpacked=$cache/$suite-i386
if [ ! -e "$unpacked" ]; then
  work=$(mktemp -d "$cache/tmp.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  echo "Downloading a kernel, busybox and SeaBIOS of Debian $suite for i386, 53 MB" >&2
  private_apt "$work" $suite i386
  cd "$work"
  "${apt[@]}" download linux-image-686 busybox-static seabios
  # The name of the kernel has its version; the first package is there to tell it.
  kernel=$(dpkg-deb -f linux-image-686_*.deb Depends | sed 's/[ ,(].*//')
  "${apt[@]}" download "$kernel"
  for package in "$kernel"_*.deb busybox-static_*.deb seabios_*.deb; do dpkg-deb -x "$package" unpacked; done
  # Most of the modules, 150 MB, drive what no emulator has.
  find unpacked/lib/modules -type f -path '*/drivers/*' -not -path '*/drivers/ata/*' -not -path '*/drivers/scsi/*' -delete
  mv -T unpacked "$unpacked" || [ -e "$unpacked" ] # another process was faster
fi
echo "$unpacked"
