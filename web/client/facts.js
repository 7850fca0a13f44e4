// What is told of a disk: types alone.

/**
 * Block sizes in bytes. They are hints for speed: any range can be read and
 * written.
 * @typedef {{minimum: number, preferred: number, maximumPayload: number}} BlockSize
 */

/**
 * The certificate of the NBD server.
 * @typedef {object} Peer
 * @property {string} subject
 * @property {string} issuer
 * @property {string} notBefore ISO 8601
 * @property {string} notAfter ISO 8601
 * @property {string[]} dnsNames
 * @property {string} pin of its key, as for the option tls.pins
 * @property {string} fingerprint SHA-256 of the certificate, "AB:CD:…"
 */

/**
 * The TLS session with the NBD server.
 * @typedef {object} TlsFacts
 * @property {string} version such as "TLS 1.3"
 * @property {string} cipherSuite
 * @property {string} serverName as given; not checked where verifiedBy has no "ca"
 * @property {"ca" | "ca+pin" | "pin" | "nothing"} verifiedBy
 * @property {boolean} insecure true if anybody's certificate was accepted
 * @property {Peer} peer
 */

/**
 * What the export offers. Without flush and cache their methods reject with
 * ENOTSUP, and nothing is sent. The others are made up for: fua by a flush,
 * zero by writes of zeros, and trim by doing nothing.
 * @typedef {object} Features
 * @property {boolean} writable whether the server would take writes: its own word,
 *   whatever the disk was opened with
 * @property {boolean} flush
 * @property {boolean} fua
 * @property {boolean} trim
 * @property {boolean} zero
 * @property {boolean} cache
 * @property {boolean} multipleConnections that go together: what is flushed on one is seen by all
 */

/**
 * @typedef {object} DiskFacts
 * @property {number} size in bytes
 * @property {boolean} readOnly
 * @property {string} exportName
 * @property {string} description free text of the server's; may be empty
 * @property {BlockSize} blockSize
 * @property {Features} features
 * @property {TlsFacts | null} tls
 */

export {};
