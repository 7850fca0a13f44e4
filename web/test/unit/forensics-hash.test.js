// What the page of evidence takes for a value that is expected, and where a read
// fails.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ExpectedError, compare, expectedOf } from "../../demo/forensics/hash/expected.js";
import { firstBad, watched } from "../../demo/forensics/hash/failure.js";
import { Device } from "../../client/device.js";

const md5 = "d41d8cd98f00b204e9800998ecf8427e";
const sha1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
const sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const sha512 = "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce".padEnd(128, "0");

test("a value tells its algorithm by its length", () => {
  for (const [text, sums] of /** @type {const} */ ([
    ["", {}], [" \n\r\n", {}],
    [md5, { md5 }], [sha1, { sha1 }], [` ${sha256} \n`, { sha256 }], [sha512, { sha512 }],
    [sha256.toUpperCase(), { sha256 }],
    [`${sha256}  disk.img`, { sha256 }], [`${sha256} *C:\\disk (1) = x.img`, { sha256 }], [`\\${sha256}  odd\\nname`, { sha256 }],
    [`SHA256 (disk.img) = ${sha256}`, { sha256 }], [`\\SHA512 (a\\nb) = ${sha512}`, { sha512 }], [`MD5 (x) = ${md5}`, { md5 }],
    [`SHA2-256(disk.img)= ${sha256}`, { sha256 }], [`SHA1(disk (2).img)= ${sha1}`, { sha1 }],
    [`sha256:${sha256}`, { sha256 }], [`SHA-1: ${sha1}`, { sha1 }],
    [`${md5}\r\n${sha256}  disk.img\n${sha256}`, { md5, sha256 }],
  ])) assert.deepEqual(expectedOf(text), sums, text);
});

test("what is no value says why", () => {
  for (const [text, why] of /** @type {const} */ ([
    ["12ab", /has 4 digits; MD5 has 32, SHA-1 has 40, SHA-256 has 64, SHA-512 has 128/], [`${sha256}0`, /has 65 digits/], [sha256.slice(1), /has 63 digits/],
    ["hello", /in hexadecimal digits/], [`${sha256.slice(1)}g`, /in hexadecimal/], [`${sha256}disk.img`, /in hexadecimal/], ["disk.img", /in hexadecimal/],
    [`MD5 (x) = ${sha256}`, /says MD5, and its value is as long as one of SHA-256/], [`SHA3-256 (x) = ${sha256}`, /says SHA3-256/], [`sha512: ${sha256}`, /says sha512/],
    [`${md5}\n${md5.replace("d", "e")}`, /two values of MD5/], ["a".repeat(65_537), /too long/],
  ])) assert.throws(() => expectedOf(text), (error) => error instanceof ExpectedError && why.test(error.message), text.slice(0, 80));
});

test("only what is there on both sides is compared", () => {
  assert.deepEqual(compare({ md5, sha256 }, { sha1, sha256: sha256.replace("e", "f") }), [{ name: "sha256", found: sha256, expected: sha256.replace("e", "f"), equal: false }]);
  assert.deepEqual(compare({ md5 }, { md5 }).map(({ equal }) => equal), [true]);
  assert.deepEqual(compare({ md5 }, {}), []);
});

test("the first sector that can't be read is found, whichever it is", async () => {
  const size = 10_000;
  for (const bad of [0, 511, 512, 4096, 7777, 9728, 9999]) {
    const device = new Device({
      size, blockSize: { minimum: 1, preferred: 1, maximumPayload: 1 << 20 }, closed: new Promise(() => {}), close: async () => {},
      read: async (offset, length) => {
        if (offset <= bad && bad < offset + length) throw Object.assign(new Error("EIO"), { code: "EIO" });
        return new Uint8Array(length);
      },
    });
    const { device: seen, failed } = watched(device);
    await seen.read(0, 0);
    assert.equal(failed(), undefined);
    await assert.rejects(seen.read(0, size));
    assert.deepEqual(failed(), { offset: 0, length: size });
    assert.equal(await firstBad(device, { offset: 0, length: size }, new AbortController().signal), bad - bad % 512, `${bad}`);
  }
});
