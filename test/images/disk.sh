# Disks that boot GRUB. Sourced by scripts.

# compose DISK CORE PARTITION makes a disk with one partition, at 1 MiB. BIOS
# loads the first sector, that loads the second, and so on: both are made for
# these very places.
compose() {
  local disk=$1 core=$2 part=$3
  truncate -s $(((1 << 20) + $(stat -c %s "$part"))) "$disk"
  printf "label-id: 0x6e6264\\n2048,,83,*\\n" | sfdisk -q "$disk"
  put() { dd if="$1" of="$disk" conv=notrunc,sparse status=none "${@:2}"; }
  put /usr/lib/grub/i386-pc/boot.img bs=440 count=1
  put "$core" bs=512 seek=1
  put "$part" bs=1M seek=1
}
