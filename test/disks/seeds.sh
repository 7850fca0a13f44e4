#!/usr/bin/env bash
# Makes the small images that the tests of disk/fs carry as text, so that those
# need no programs: testdata/*.gz.b64. Run it by hand where they are to change.
set -euo pipefail
cd "$(dirname "$0")"
out=$PWD/../../disk/fs/testdata
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C E2FSPROGS_FAKE_TIME=1700000000 SOURCE_DATE_EPOCH=1700000000
PATH=$PATH:/usr/sbin:/sbin

gcc -D_FILE_OFFSET_BITS=64 -DHAVE_STDINT_H -DHAVE_STDARG_H -DHAVE_SYS_TYPES_H -o "$work/ntfsfill" testdata/ntfsfill.c -lntfs-3g
cd "$work"

mkdir -p tree/folder/below tree/many
for i in $(seq 40); do echo "$i" >"tree/many/a-rather-long-name-for-a-file-$i"; done
echo hello >tree/hello.txt
ln tree/hello.txt tree/hard
ln -s hello.txt tree/fast
ln -s "/elsewhere/$(printf 'y%.0s' $(seq 90))" tree/slow
seq 1300 >tree/numbers
truncate -s 300K tree/sparse
printf end | dd of=tree/sparse bs=1 seek=200000 conv=notrunc status=none
printf z | dd of=tree/sparse bs=1 seek=307199 conv=notrunc status=none # mke2fs forgets a hole at the end
echo odd >"tree/$(printf 'odd\377name')"
echo below >tree/folder/below/file
mkfifo tree/fifo
find tree -exec touch -h -d @1700000000 {} +

ext() {
  truncate -s 512K "$1"
  mke2fs -q -E hash_seed=11111111-2222-3333-4444-555555555555,root_owner=0:0 \
    -U 11111111-2222-3333-4444-555555555555 -L seed -N 128 -m 0 -b 1024 -d tree "${@:2}" "$1"
}
ext ext2 -t ext2
ext ext4 -t ext4 -O ^has_journal,inline_data -I 256
genisoimage -quiet -R -o rock tree
genisoimage -quiet -J -o joliet tree/folder tree/many

truncate -s 2M ntfs
mkntfs -q -Q -F -c 512 -L seed ntfs >/dev/null 2>&1
upcase=$(mktemp -p .)
ntfscat -q ntfs '/$UpCase' >"$upcase"
sed 's/ /\t/g' >script <<END
file /hello.txt $work/tree/hello.txt
stream /hello.txt ads 414243
link /hello.txt /hard
dir /folder
many /folder 60
packed /packed
file /packed/numbers $work/tree/numbers
file /sparse $work/tree/sparse
file /numbers $work/tree/numbers
dir /junction
point /junction 030000a01c000000000008000a00080043003a005c007400000043003a005c0074000000
END
./ntfsfill ntfs <script
# The table of upper case letters is a quarter megabyte of text, and unread.
python3 - "$upcase" <<'END'
import sys
image, table = open('ntfs', 'r+b'), open(sys.argv[1], 'rb').read()
at = image.read().index(table)
image.seek(at)
image.write(bytes(len(table)))
END

for name in ext2 ext4 rock joliet ntfs; do
  gzip -9n <"$name" | base64 -w 100 >"$out/$name.gz.b64"
done
