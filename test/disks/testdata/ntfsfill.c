/* Fills an NTFS image through libntfs-3g, which needs no mount and no root:
 * `ntfsfill IMAGE < SCRIPT`. A line of the script is a command and its
 * arguments, with tabs between them; the names of folders are given before
 * what is in them. Bytes are hexadecimal.
 *
 *   dir PATH               folder
 *   packed PATH            folder whose files are compressed
 *   file PATH HOSTFILE     file with the content of another; its holes are kept
 *   stream PATH NAME HEX   named stream of a file
 *   link PATH PATH         another name for the first
 *   point PATH HEX         reparse point on a file or folder
 *   many PATH COUNT        empty files 00000, 00001, ...
 *   half PATH              a name in PATH that is half a surrogate pair
 */
#define _GNU_SOURCE /* SEEK_DATA */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ntfs-3g/types.h>
#include <ntfs-3g/attrib.h>
#include <ntfs-3g/device.h>
#include <ntfs-3g/dir.h>
#include <ntfs-3g/inode.h>
#include <ntfs-3g/layout.h>
#include <ntfs-3g/reparse.h>
#include <ntfs-3g/unistr.h>
#include <ntfs-3g/volume.h>

static ntfs_volume *vol;

static void check(int ok, const char *what, const char *arg) {
	if (!ok) {
		fprintf(stderr, "ntfsfill: %s %s: %s\n", what, arg, strerror(errno));
		exit(1);
	}
}

static ntfs_inode *find(const char *path) {
	ntfs_inode *ni = ntfs_pathname_to_inode(vol, NULL, path);
	check(ni != NULL, "find", path);
	return ni;
}

/* parent opens the folder of a path, and gives the last name as UTF-16. */
static ntfs_inode *parent(const char *path, ntfschar **name, int *length) {
	char *copy = strdup(path), *slash = strrchr(copy, '/');
	*slash = 0;
	*name = NULL;
	*length = ntfs_mbstoucs(slash + 1, name);
	check(*length > 0, "name", path);
	ntfs_inode *dir = find(*copy ? copy : "/");
	free(copy);
	return dir;
}

static ntfs_inode *make(const char *path, mode_t type) {
	ntfschar *name;
	int length;
	ntfs_inode *dir = parent(path, &name, &length);
	ntfs_inode *ni = ntfs_create(dir, const_cpu_to_le32(0), name, length, type);
	check(ni != NULL, "create", path);
	free(name);
	ntfs_inode_close(dir);
	return ni;
}

static unsigned char *unhex(const char *hex, size_t *n) {
	unsigned char *out = malloc(strlen(hex) / 2 + 1);
	unsigned byte;
	for (*n = 0; sscanf(hex + 2 * *n, "%2x", &byte) == 1; (*n)++)
		out[*n] = byte;
	return out;
}

/* copy writes a host file into the content, but for pieces of zeroes. */
static void copy(ntfs_inode *ni, const char *path) {
	static char buf[65536], zero[65536];
	FILE *in = fopen(path, "rb");
	check(in != NULL, "open", path);
	ntfs_attr *na = ntfs_attr_open(ni, AT_DATA, AT_UNNAMED, 0);
	check(na != NULL, "content", path);
	s64 pos = 0;
	size_t n;
	off_t data;
	struct stat st;
	check(fstat(fileno(in), &st) == 0, "stat", path);
	while ((data = lseek(fileno(in), pos, SEEK_DATA)) >= 0) {
		pos = data - data % (off_t)sizeof buf;
		fseeko(in, pos, SEEK_SET);
		n = fread(buf, 1, sizeof buf, in);
		if (memcmp(buf, zero, n) != 0)
			check(ntfs_attr_pwrite(na, pos, n, buf) == (s64)n, "write", path);
		pos += n;
		if (n == 0)
			break;
	}
	if (na->data_size < st.st_size)
		check(ntfs_attr_truncate(na, st.st_size) == 0, "truncate", path);
	if (NAttrCompressed(na))
		check(ntfs_attr_pclose(na) == 0, "close", path);
	ntfs_attr_close(na);
	fclose(in);
}

static void addstream(const char *path, const char *name, const char *hex) {
	size_t n;
	ntfschar *uname = NULL;
	unsigned char *bytes = unhex(hex, &n);
	int length = ntfs_mbstoucs(name, &uname);
	ntfs_inode *ni = find(path);
	check(ntfs_attr_add(ni, AT_DATA, uname, length, bytes, n) == 0, "stream", path);
	ntfs_inode_close(ni);
}

static void addlink(const char *from, const char *to) {
	ntfschar *name;
	int length;
	ntfs_inode *dir = parent(to, &name, &length), *ni = find(from);
	check(ntfs_link(ni, dir, name, length) == 0, "link", to);
	ntfs_inode_close(ni);
	ntfs_inode_close(dir);
}

static void addpoint(const char *path, const char *hex) {
	size_t n;
	unsigned char *bytes = unhex(hex, &n);
	ntfs_inode *ni = find(path);
	check(ntfs_set_ntfs_reparse_data(ni, (char *)bytes, n, 0) == 0, "point", path);
	ntfs_inode_close(ni);
}

static void addmany(const char *path, int count) {
	ntfs_inode *dir = find(path);
	for (int i = 0; i < count; i++) {
		char text[16];
		ntfschar *name = NULL;
		sprintf(text, "%05d", i);
		int length = ntfs_mbstoucs(text, &name);
		ntfs_inode *ni = ntfs_create(dir, const_cpu_to_le32(0), name, length, S_IFREG);
		check(ni != NULL, "create", text);
		ntfs_inode_close_in_dir(ni, dir);
		free(name);
	}
	ntfs_inode_close(dir);
}

static void addhalf(const char *path) {
	ntfschar name[] = {cpu_to_le16('a'), cpu_to_le16(0xd83d), cpu_to_le16('b')};
	ntfs_inode *dir = find(path);
	ntfs_inode *ni = ntfs_create(dir, const_cpu_to_le32(0), name, 3, S_IFREG);
	check(ni != NULL, "half", path);
	ntfs_inode_close(ni);
	ntfs_inode_close(dir);
}

static void run(char **arg, int n) {
	if (!strcmp(arg[0], "dir") && n == 2) {
		ntfs_inode_close(make(arg[1], S_IFDIR));
	} else if (!strcmp(arg[0], "packed") && n == 2) {
		ntfs_inode *ni = make(arg[1], S_IFDIR);
		ni->flags |= FILE_ATTR_COMPRESSED;
		NInoFileNameSetDirty(ni);
		check(ntfs_attr_set_flags(ni, AT_INDEX_ROOT, NTFS_INDEX_I30, 4, ATTR_IS_COMPRESSED, ATTR_COMPRESSION_MASK) == 0, "packed", arg[1]);
		ntfs_inode_close(ni);
	} else if (!strcmp(arg[0], "file") && n == 3) {
		ntfs_inode *ni = make(arg[1], S_IFREG);
		copy(ni, arg[2]);
		ntfs_inode_close(ni);
	} else if (!strcmp(arg[0], "stream") && n == 4) {
		addstream(arg[1], arg[2], arg[3]);
	} else if (!strcmp(arg[0], "link") && n == 3) {
		addlink(arg[1], arg[2]);
	} else if (!strcmp(arg[0], "point") && n == 3) {
		addpoint(arg[1], arg[2]);
	} else if (!strcmp(arg[0], "many") && n == 3) {
		addmany(arg[1], atoi(arg[2]));
	} else if (!strcmp(arg[0], "half") && n == 2) {
		addhalf(arg[1]);
	} else {
		errno = EINVAL;
		check(0, "command", arg[0]);
	}
}

int main(int argc, char **argv) {
	static char line[1 << 16];
	ntfs_set_char_encoding("UTF-8");
	check(argc == 2, "usage", "ntfsfill IMAGE");
	vol = ntfs_mount(argv[1], 0);
	check(vol != NULL, "mount", argv[1]);
	while (fgets(line, sizeof line, stdin)) {
		char *arg[4], *rest = line;
		int n = 0;
		line[strcspn(line, "\n")] = 0;
		while (n < 4 && (arg[n] = strsep(&rest, "\t")))
			n++;
		run(arg, n);
	}
	check(ntfs_umount(vol, FALSE) == 0, "unmount", argv[1]);
	return 0;
}
