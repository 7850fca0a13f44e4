// What acquisitions keep and tell, as packages evidence/acquire and
// evidence/report make it. All of it is plain JSON; times are ISO 8601 in UTC,
// offsets and lengths are bytes, exact up to 2^53.

/** @typedef {"raw" | "zstd"} Format */
/** @typedef {"md5" | "sha1" | "sha256" | "sha512"} DigestName */
/** @typedef {{offset: number, length: number}} Range */

/**
 * The program that acquires.
 * @typedef {object} Tool
 * @property {string} name
 * @property {string} version
 * @property {string} [revision] of its source
 * @property {string} platform the browser's own words, or operating system and architecture
 */

/**
 * What the browser runs, by its own account.
 * @typedef {object} Page
 * @property {string} origin
 * @property {string} url without query and fragment
 * @property {string} sha256 of the files as lines "SHA256  PATH\n"
 * @property {{path: string, sha256: string}[]} files sorted by path
 */

/** @typedef {{number: string, evidence: string, examiner: string, description: string, notes: string}} Case */

/**
 * What is acquired, as its server told.
 * @typedef {object} Source
 * @property {string} bridge URL of the bridge without the target; empty without one
 * @property {string} target of the bridge
 * @property {string} server its address, where there is no bridge
 * @property {string} export
 * @property {number} size of the export
 * @property {number} offset of what is acquired
 * @property {number} length of what is acquired
 * @property {boolean} readOnly the server's flag
 * @property {string[]} flags what the export offers
 * @property {number} minimumBlockSize
 */

/**
 * How the server was reached, and who it proved to be.
 * @typedef {object} Connection
 * @property {boolean} encrypted to the server
 * @property {string} [protocol]
 * @property {string} [cipherSuite]
 * @property {string} [serverName]
 * @property {string} [verifiedBy] "ca", "pin", "ca+pin" or "nothing"
 * @property {string} [subject]
 * @property {string} [issuer]
 * @property {string} [notBefore]
 * @property {string} [notAfter]
 * @property {string} [pin]
 * @property {string} [certificate] SHA-256 of it, in hex
 */

/** A time without a connection. @typedef {{start: string, end?: string, reason: string}} Outage */

/**
 * A stretch of the acquisition without a pause.
 * @typedef {object} Session
 * @property {string} start
 * @property {string} [end] missing: it runs, or was ended from outside
 * @property {number} from
 * @property {number} to
 * @property {string} ended why, in words; empty while it runs
 * @property {Connection} connection
 * @property {Outage[]} outages which it outlived
 */

/**
 * What the server told of its blocks, in bytes.
 * @typedef {object} BlockStatus
 * @property {boolean} asked
 * @property {number} data
 * @property {number} zero allocated, and reads as zeros
 * @property {number} hole not allocated, and reads as zeros
 * @property {number} unknown
 * @property {number} skipped not read, since they read as zeros
 */

/**
 * A stretch of which a request failed.
 * @typedef {object} ReadError
 * @property {string} time
 * @property {string} what "read" or "block status"
 * @property {number} offset
 * @property {number} length
 * @property {number} attempts requests that failed
 * @property {string} message of the first
 * @property {number} zeroFilled bytes of it that no request could read
 */

/**
 * One more reading, to compare.
 * @typedef {object} Pass
 * @property {"image" | "export"} of
 * @property {string} start
 * @property {string} [end]
 * @property {Record<string, string>} hashes
 * @property {boolean} equal
 * @property {string} [failed] why there are no hashes
 */

/** @typedef {{hashes: string[], retries: number, smallest: number, skipHoles: boolean}} Settings */

/**
 * What was acquired, how, and where the image is not what the disk holds.
 * Offsets count from the beginning of what was acquired.
 * @typedef {object} Log
 * @property {string} schema "nbdbridge/acquisition/1"
 * @property {Tool} tool
 * @property {Page} [page]
 * @property {Case} case
 * @property {Source} source
 * @property {{name: string, format: Format, size: number}} image size of the file; 0 until complete
 * @property {Settings} settings
 * @property {"running" | "paused" | "complete"} status
 * @property {string} start
 * @property {string} [end]
 * @property {Session[]} sessions
 * @property {number} transferred bytes that were read and kept
 * @property {BlockStatus} blockStatus
 * @property {ReadError[]} errors at most 10,000
 * @property {number} [errorsOmitted] those beyond
 * @property {Range[]} zeroFilled zeros in place of what could not be read, in order
 * @property {Record<string, string>} hashes in hex; empty until complete
 * @property {Pass[]} passes for whoever makes them
 * @property {{algorithm: string, publicKey: string}} [signer] for whoever signs
 */

/**
 * What it takes to go on, beside the file. May be kept as JSON.
 * @typedef {object} State
 * @property {number} offset all before it is in the image
 * @property {{format: Format, disk: number, file: number, frames?: string}} image
 *   file: bytes of the file; what is after them is cut off by who goes on.
 *   frames: base64, about 11 bytes for each MiB of the disk, of zstd alone
 * @property {Record<string, string>} hashes states of the hashes, base64
 * @property {Log} log
 */

/**
 * How far an acquisition has come, in bytes.
 * @typedef {object} AcquireProgress
 * @property {number} done
 * @property {number} total
 * @property {number} skipped of done: zeros that were not read
 * @property {number} lost of done: zeros in place of what could not be read
 * @property {number} errors requests that failed
 * @property {boolean} recovering it reads again what it could not read
 */

export {};
