#!/usr/bin/env bash
# Builds a disk of 48 MiB that boots Debian's kernel for i386 to busybox's shell,
# on the screen and on the first serial port. /root has 4 MiB and their SHA-256.
# Nothing is installed, and nothing needs root.
#
#   linux.sh DISK CACHE
#
# CACHE is a folder that keeps the unpacked packages: the next build downloads
# nothing. Remove it for newer packages.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
here=$(dirname "$(realpath "$0")")
. "$here/disk.sh"
disk=$1 packages=$(bash "$here/packages.sh" "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

# The kernel has drivers of disks and ext4 as modules alone, so it starts from
# an initramfs with those.
make_initrd() {
  local tree=$work/initrd module file
  mkdir -p "$tree"/{bin,modules,proc,sys,dev,root}
  cp "$packages/bin/busybox" "$tree/bin/"
  cp "$here/linux/init" "$tree/"
  chmod +x "$tree/init"
  cp "$here/linux/modules" "$tree/modules/order"
  while read -r module; do
    file=$(find "$packages/lib/modules" -name "$module.ko")
    [ -n "$file" ] || { echo "The kernel has no module $module" >&2; return 1; }
    unsign "$file" >"$tree/modules/$module.ko"
  done <"$here/linux/modules"
  for applet in sh mount insmod sleep switch_root; do ln "$tree/bin/busybox" "$tree/bin/$applet"; done
  find "$tree" -exec touch -h -d @0 {} +
  (cd "$tree" && find . | sort | cpio --quiet --reproducible -o -H newc -R 0:0) | gzip -9n >"$1"
}

# unsign MODULE prints a module without its signature, which takes an emulator
# longer to check than to load the rest. Before the mark at the end stands the
# length of what is before that.
unsign() { perl -0777 -pe 'substr($_, -40 - unpack "N", $1) = "" if /(....)~Module signature appended~\n\z/s' "$1"; }

# Busybox's names, as its program has them: it is one for another machine.
applets() { echo '['; tr '\0' '\n' <"$1" | sed -n '/^\[\[$/,/^zcat$/p' | grep -vx busybox; }

make_root() {
  local tree=$1 name
  mkdir -p "$tree"/{boot,bin,dev,etc,mnt,proc,root,sys,tmp,usr}
  ln -s bin "$tree/sbin"
  for name in bin sbin; do ln -s ../bin "$tree/usr/$name"; done
  cp "$packages"/boot/vmlinuz-* "$tree/boot/vmlinuz"
  make_initrd "$tree/boot/initrd.img"
  cp "$packages/bin/busybox" "$tree/bin/"
  applets "$tree/bin/busybox" | while read -r name; do ln "$tree/bin/busybox" "$tree/bin/$name"; done
  cp "$here"/linux/{inittab,rc,profile,motd} "$tree/etc/"
  chmod +x "$tree/etc/rc"
  echo far >"$tree/etc/hostname"
  echo "root::0:0:root:/root:/bin/sh" >"$tree/etc/passwd"
  perl -e 'srand 7; print pack "L<*", map { rand 2**32 } 1 .. 1 << 20' >"$tree/root/test.bin"
  (cd "$tree/root" && sha256sum test.bin >test.sha256)
  find "$tree" -exec touch -h -d @0 {} +
}

make_root "$work/root"
truncate -s 47M "$work/part.img"
uuid=6e626462-7269-6467-652e-6c696e757831
E2FSPROGS_FAKE_TIME=1 mke2fs -q -t ext4 -b 4096 -N 1024 -m 0 -O ^64bit,^metadata_csum,^has_journal,^resize_inode \
  -E root_owner=0:0,hash_seed=$uuid -U $uuid -L linux -d "$work/root" "$work/part.img"
grub-mkimage -O i386-pc -p / -c "$here/linux/grub.cfg" -o "$work/core.img" biosdisk part_msdos ext2 serial terminal echo linux
compose "$work/disk.img" "$work/core.img" "$work/part.img"
mv "$work/disk.img" "$disk"
