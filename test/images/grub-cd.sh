#!/usr/bin/env bash
# Builds a CD-ROM that boots GRUB by El Torito, which greets on the first serial
# port. It has no filesystem: a BIOS looks at the boot record alone.
#
#   grub-cd.sh CD
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/grub.cfg" <<'CFG'
serial --unit=0 --speed=115200
terminal_output serial
echo Hello from a CD-ROM far away.
CFG
grub-mkimage -O i386-pc-eltorito -p / -c "$work/grub.cfg" -o "$work/core.img" serial terminal echo
size=$(stat -c %s "$work/core.img")

truncate -s 2M "$work/cd.iso"
# bytes TEXT FILE OFFSET
bytes() { printf "$1" | dd of="$2" bs=1 seek="$3" conv=notrunc status=none; }
le32() { printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24)); }

catalog=19 core=20
bytes '\1CD001\1' "$work/cd.iso" $((16 * 2048))
bytes '\0CD001\1EL TORITO SPECIFICATION' "$work/cd.iso" $((17 * 2048))
bytes "$(le32 $catalog)" "$work/cd.iso" $((17 * 2048 + 0x47))
bytes '\1' "$work/cd.iso" $((catalog * 2048)) # the validation entry, then the one to boot
bytes '\x55\xaa\x88' "$work/cd.iso" $((catalog * 2048 + 0x1e))
bytes '\4\0' "$work/cd.iso" $((catalog * 2048 + 0x26)) # BIOS loads one sector, which loads the rest
bytes "$(le32 $core)" "$work/cd.iso" $((catalog * 2048 + 0x28))
# What GRUB's first sector has to know: where the CD begins, and itself.
bytes "$(le32 16)$(le32 $core)$(le32 "$size")" "$work/core.img" 8
dd if="$work/core.img" of="$work/cd.iso" bs=2048 seek=$core conv=notrunc status=none
mv "$work/cd.iso" "$1"
