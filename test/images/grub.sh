#!/usr/bin/env bash
# Builds a disk of 2 MiB that boots GRUB and needs nothing else: it prints a file
# of its ext2 partition on the first serial port, tells what it remembers, asks
# for a word, writes that to its disk and, on another line, boots again.
#
#   grub.sh DISK
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
modules=/usr/lib/grub/i386-pc
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/grub.cfg" <<'CFG'
serial --unit=0 --speed=115200
terminal_output serial
terminal_input serial
set root=hd0,msdos1
cat /hello.txt
load_env -f /grubenv
echo remembered: $word.
echo word?
read word
save_env -f /grubenv word
echo saved: $word.
read line
reboot
CFG

mkdir "$work/files"
echo "Hello from a disk far away." >"$work/files/hello.txt"
grub-editenv "$work/files/grubenv" create
grub-editenv "$work/files/grubenv" set word=nothing

# BIOS loads the first sector, that loads the second, and so on: both are made
# for these very places.
grub-mkimage -O i386-pc -p / -c "$work/grub.cfg" -o "$work/core.img" biosdisk part_msdos ext2 serial terminal cat echo read loadenv reboot
truncate -s 1M "$work/part.img"
mke2fs -q -t ext2 -d "$work/files" "$work/part.img"
truncate -s 2M "$work/disk.img"
echo "2048,2048,83,*" | sfdisk -q "$work/disk.img"
put() { dd if="$1" of="$work/disk.img" conv=notrunc status=none "${@:2}"; }
put "$modules/boot.img" bs=440 count=1
put "$work/core.img" bs=512 seek=1
put "$work/part.img" bs=1M seek=1
mv "$work/disk.img" "$1"
