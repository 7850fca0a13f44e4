// What an inspector tells, as packages disk and disk/fs make it. Numbers of
// bytes are exact up to 2^53.

/**
 * How a disk is divided.
 * @typedef {object} Layout
 * @property {"gpt" | "mbr" | "none"} scheme
 * @property {number} size in bytes
 * @property {number} sectorSize of the table, 512 or 4096
 * @property {string} [uuid] of a GPT, or the signature of an MBR
 * @property {string} [volume] kind of the file system that begins at byte 0, whatever the table says
 * @property {Part[]} parts in order; they cover the whole disk
 * @property {Part[]} [containers] extended partitions of an MBR
 * @property {{offset: number, text: string}[]} [problems] what was wrong and gone around
 */

/**
 * @typedef {object} Part
 * @property {"partition" | "table" | "unallocated" | "whole" | "extended"} kind
 * @property {number} [number] that of the table, from 1; logical partitions from 5
 * @property {number} offset in bytes
 * @property {number} length in bytes
 * @property {string} [type] in the table: two hexadecimal digits or a GUID
 * @property {string} typeName in words
 * @property {string} [name]
 * @property {string} [uuid]
 * @property {string[]} [flags] in words
 */

/**
 * What a part of a disk says that it is.
 * @typedef {object} Signature
 * @property {string} kind such as "ext4", "ntfs", "xfs": it stays the same
 * @property {string} name of the format, in words
 * @property {"filesystem" | "swap" | "volume" | "crypto" | "image" | "table" | "boot"} class
 * @property {number} offset of the magic on the disk
 * @property {string} [label]
 * @property {string} [uuid]
 * @property {string} [version]
 * @property {number} [size] in bytes, by its own account
 * @property {number} [blockSize] in bytes
 * @property {boolean} browsable whether open() reads it
 * @property {string[]} [notes]
 */

/**
 * What a file system tells of itself.
 * @typedef {object} Facts
 * @property {string} kind such as "ext4", "NTFS"
 * @property {string} [label]
 * @property {string} [uuid]
 * @property {number} size in bytes
 * @property {number} blockSize in bytes
 * @property {number} free in bytes; -1 where it is not known
 * @property {string[]} [features]
 * @property {Time[]} [times]
 * @property {string} [mounted]
 * @property {string[]} [problems]
 */

/**
 * A name in a folder.
 * @typedef {object} Entry
 * @property {string} name bytes that are no UTF-8, "/" and NUL as \xNN, a backslash as two
 * @property {"file" | "folder" | "symlink" | "block device" | "character device" | "fifo" | "socket" | "other"} type
 * @property {number} size of the content in bytes; of a folder 0
 * @property {Time} [modified]
 * @property {number} [id] the same for hard links
 * @property {boolean} [hidden]
 * @property {string} [problem] what of it can't be read, and why
 */

/**
 * @typedef {object} Time
 * @property {string} [name] "modified", "changed", "accessed", "created", "deleted" and such
 * @property {string} time as ISO 8601
 * @property {string} [source] where it is stored
 * @property {string} zone "UTC", an offset, or "local": what the clock showed where the file was written
 */

/**
 * @typedef {object} More
 * @property {Time[]} [times]
 * @property {string} [mode] as of ls
 * @property {{user: string, group?: string}} [owner]
 * @property {string[]} [attributes] in words
 * @property {number} [links] hard links
 * @property {string} [target] of a link
 * @property {string} [device] major:minor
 * @property {{name: string, size: number}[]} [streams] beside the main content
 * @property {number} allocated bytes on the disk
 * @property {FileExtent[]} [extents] of the main content, at most 4096
 * @property {boolean} [moreExtents]
 * @property {string[]} [problems]
 */

/** @typedef {Entry & More} Details */

/**
 * Where a piece of a file lies.
 * @typedef {object} FileExtent
 * @property {number} offset in the file, in bytes
 * @property {number} length in bytes
 * @property {number} disk in the volume, in bytes; -1 for nowhere
 * @property {"data" | "hole" | "unwritten" | "inline" | "compressed"} kind
 */

export {};
