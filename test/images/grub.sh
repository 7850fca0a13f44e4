#!/usr/bin/env bash
# Builds a disk of 2 MiB that boots GRUB and needs nothing else: it prints a file
# of its ext2 partition, tells what it remembers, asks for a word, writes that to
# its disk and, on another line, boots again. It talks on the screen and on the
# first serial port.
#
#   grub.sh DISK
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
. "$(dirname "$0")/disk.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/grub.cfg" <<'CFG'
serial --unit=0 --speed=115200
terminal_output console serial
terminal_input console serial
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

grub-mkimage -O i386-pc -p / -c "$work/grub.cfg" -o "$work/core.img" biosdisk part_msdos ext2 serial terminal cat echo read loadenv reboot
truncate -s 1M "$work/part.img"
mke2fs -q -t ext2 -d "$work/files" "$work/part.img"
compose "$work/disk.img" "$work/core.img" "$work/part.img"
mv "$work/disk.img" "$1"
