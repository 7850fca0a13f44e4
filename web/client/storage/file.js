/**
 * A file that stores are made of, opened by one owner alone. Calls are carried
 * out in the order in which they are made. What was written and not flushed may
 * be lost, any part of it, when the machine goes down; when only the page or
 * its Worker ends, what was asked for before may or may not have been written,
 * in that order.
 *
 * @typedef {object} StoreFile
 * @property {() => Promise<number>} size in bytes
 * @property {(offset: number, length: number) => Promise<Uint8Array<ArrayBuffer>>} read
 *   fewer bytes than asked for at the end of the file
 * @property {(offset: number, bytes: Uint8Array<ArrayBuffer>) => Promise<void>} write
 *   takes the bytes' buffer over; grows the file; rejects with ENOSPC where there is no room
 * @property {(size: number) => Promise<void>} truncate
 * @property {() => Promise<void>} flush
 * @property {() => Promise<void>} close
 */

/**
 * A folder of files of one store, and with it the right to be its owner.
 *
 * @typedef {object} StoreFolder
 * @property {(name: string) => Promise<StoreFile>} open makes the file if there is none
 * @property {(name: string) => Promise<void>} remove
 * @property {() => Promise<void>} close closes its files, and gives the ownership back
 */

export {};
