// Type-checked against the packed package, as a TypeScript user has it. Each
// line under an expected error is a mistake that types must catch.
import { type CopyReport, type CopyState, copy, hash } from "nbdbridge/copy";
import { open, list, info, NbdError, codes, type Disk, type OpenOptions, type NbdErrorCode } from "nbdbridge";
import { Device, type BlockDevice, type Extent } from "nbdbridge/device";
import { deviceOf, handleOf } from "nbdbridge/handle";
import { errnoOf, mountEmscripten, openSync, type SyncDevice } from "nbdbridge/sync";
import { memoryStore, prefetch, readOnlyView, record, region, withCache, withOverlay, withPersistentCache, type Profile } from "nbdbridge/layers";
import { asBlobLike, asGeotiffSource, asRandomAccessStorage, asZipReader, readableOf, type BlobLike } from "nbdbridge/views";
import { serveViaServiceWorker, type RangeOptions } from "nbdbridge/range";
import { saveAs } from "nbdbridge/save";
import { acquire, deleteFolder, fileSink, imageOf, listFolders, opfsFolder, pass, storedSink, streamSink, textOf, type AcquireOptions, type Log, type Outage, type Sink, type State, type StoreFile } from "nbdbridge/evidence";
import { inspect, type Details, type Entry, type Hit, type Inspector, type Layout, type SearchOptions, type Signature, type Volume } from "nbdbridge/inspect";
import { v86Disk, type V86DiskOptions } from "nbdbridge/v86";
import { V86 } from "v86";

const tls = { ca: "PEM", serverName: "nbd7.lab", pins: ["sha256/x"] };
const signal = new AbortController().signal;
const options: OpenOptions = { export: "vda", readOnly: false, tls, signal, connections: 2, token: async () => "ticket", reconnect: { giveUpAfter: 30_000 }, wasm: new URL("nbd.wasm", "https://app.example"), worker: () => new Worker("/worker.js") };
const disk: Disk = await open(new URL("wss://bridge.example/nbd/lab7"), options);
const module: WebAssembly.Module = await WebAssembly.compile(new Uint8Array());
await open("wss://bridge.example/nbd/lab7", { wasm: module, worker: "/worker.js", tls: { mode: "off" } });

disk.on("reconnecting", ({ attempt, delay, cause }) => console.log(attempt + delay, cause.code), { signal });
await disk.check({ timeout: 1000, signal });
const plain: BlockDevice = disk;
const read: number = disk.stats().bytesRead;
console.log(plain.size, read);

// Every layer takes a disk or a layer, and is a device.
const devices: BlockDevice[] = [
  withCache(disk, { size: 1 << 20 }), withOverlay(disk, memoryStore()), readOnlyView(disk), await withPersistentCache(disk, { size: 1 << 30, signal }), region(disk, { offset: 0n, length: 512 }), record(disk),
  withCache(withOverlay(readOnlyView(region(disk, { offset: 0, length: 512 })), memoryStore({ limit: 1 << 20 }))),
  new Device({ size: 512, blockSize: disk.blockSize, read: async (offset, length) => new Uint8Array(length) }),
];

for (const device of devices) {
  const bytes: Uint8Array<ArrayBuffer> = await device.read(0n, 512, { signal });
  await device.write(0, bytes, { fua: true, transfer: true, signal });
  await device.zero(0, 512, { unmap: true });
  const extents: Extent[] = await device.blockStatus(0, device.size);
  const type: "data" | "hole" | "zero" | undefined = extents[0]?.type;
  for await (const chunk of device.stream({ chunkSize: 4096 })) console.log(chunk.length, type);
  const many: Uint8Array[] = await device.readMany([{ offset: 0, length: 1n }]);
  const ended: NbdError | undefined = await device.closed;
  console.log(many, ended?.code === "CLOSED");
}

const blob: BlobLike = asBlobLike(disk, { type: "image/tiff" }).slice(0, -512, "text/plain");
const zipped: Uint8Array<ArrayBuffer> = await asZipReader(disk).readUint8Array(0, blob.size);
const slices: ArrayBuffer[] = await asGeotiffSource(disk).fetch([{ offset: 0, length: zipped.length }], signal);
asRandomAccessStorage(disk).on("close", () => {}).stat((error, facts) => console.log(error?.message, facts.size + slices.length));
const response = new Response(readableOf(disk, { offset: 0n, length: 512, chunkSize: 4096, signal }));
console.log(await response.text(), await blob.text());

const machine: V86DiskOptions = { writes: "back", cache: false, stallAfter: 1000 };
const hda = v86Disk(devices[0], machine);
new V86({ hda, cdrom: v86Disk(disk) });
hda.on("stalled", ({ since }) => console.log(since + hda.byteLength), { signal });

const served: RangeOptions = { script: "/sw.js", scope: new URL("https://app.example/"), path: "disks", name: "vda.img" };
const { url, close } = await serveViaServiceWorker(devices[0], served);
await saveAs((await fetch(url)).body!, "vda.img", { signal, onProgress: ({ done, total }) => console.log(done + (total ?? 0)) });
await saveAs(disk, "vda.img", { script: "/sw.js" });
await close();

const profile: Profile = record(disk).profile();
await prefetch(disk, profile, { signal });
const names: string[] = (await list("wss://bridge.example/nbd/lab7", { tls })).map((e) => e.name);
const size: number = (await info("wss://bridge.example/nbd/lab7", { tls, export: names[0] })).size;
const all: readonly NbdErrorCode[] = codes;
console.log(size, all, new NbdError("EIO", "broken", {}, { stage: "transmission" }).retryable);

// @ts-expect-error: a name that is none
await open("wss://bridge.example", { tls, readonly: true });
// @ts-expect-error: the old name
await open("wss://bridge.example", { tls, wasmUrl: "/nbd.wasm" });
// @ts-expect-error: a mode that is none
await open("wss://bridge.example", { tls: { mode: "required" } });
// @ts-expect-error: a Worker has to be made for each connection
await open("wss://bridge.example", { tls, worker: new Worker("/worker.js") });
// @ts-expect-error: true says nothing
await open("wss://bridge.example", { tls, reconnect: true });
// @ts-expect-error: an event that is none
disk.on("lost", () => {});
// @ts-expect-error: list opens no disk
await list("wss://bridge.example", { tls, readOnly: false });
// @ts-expect-error: reads have no such option
await disk.read(0, 512, { fua: true });
// @ts-expect-error: offsets are numbers
await disk.read("0", 512);
// @ts-expect-error: bytes, not text
await disk.write(0, "text");
// @ts-expect-error: zero writes no bytes
await disk.zero(0, 512, { fua: true });
// @ts-expect-error: a fact
disk.size = 7;
// @ts-expect-error: a store is needed
withOverlay(disk);
// @ts-expect-error: part of a region is missing
region(disk, { offset: 0 });
// @ts-expect-error: a code that is none
const code: NbdErrorCode = "BROKEN";
// @ts-expect-error: a policy that is none
v86Disk(disk, { writes: "never" });
// @ts-expect-error: a device, not its URL
v86Disk("wss://bridge.example/nbd/lab7");
// @ts-expect-error: a view has no such option
asBlobLike(disk, { name: "disk.img" });
// @ts-expect-error: a callback, not a signal
asRandomAccessStorage(disk).read(0, 512, signal);
// @ts-expect-error: it is opened first
withCache(withPersistentCache(disk));
// @ts-expect-error: a view has no changes to commit
readOnlyView(disk).commit();
// @ts-expect-error: bytes, not text
await saveAs(new ReadableStream<string>(), "text");
// @ts-expect-error: an option that is none
await serveViaServiceWorker(disk, { prefix: "disks" });
// @ts-expect-error: something that only reads is no device
const device: BlockDevice = { size: 512, read: async () => new Uint8Array(1) };
console.log(code, device);

export async function waits(device: BlockDevice, module: { FS: unknown }): Promise<number> {
  const there: BlockDevice = await deviceOf(handleOf(device));
  const sync: SyncDevice = await openSync(handleOf(there), { timeout: 1000 });
  mountEmscripten(module.FS, sync, "/disk.img");
  const other: SyncDevice = await openSync({ url: "/disk.img" });
  try {
    return sync.writeSync(new Uint8Array(512), 0n) + other.readSync(new ArrayBuffer(512), 0);
  } catch (error) {
    return errnoOf(error);
  }
}

export async function carries(device: BlockDevice, file: FileSystemWritableFileStream, stream: WritableStream<Uint8Array<ArrayBuffer>>) {
  let state: CopyState | undefined;
  const { copied, skipped }: CopyReport = await copy(device, file, { signal, skipHoles: false, onState: (s) => { state = s; }, onProgress: ({ done, total, left }) => console.log(done / total, left ?? "?") });
  await copy(device, stream, { from: state });
  await copy(device, new CompressionStream("gzip").writable);
  await copy(device, device);
  const { md5, crc32 } = await hash(device, ["md5", "crc32"], { wasm: "/evidence.wasm" });
  // @ts-expect-error: it was not asked for
  const { sha1 } = await hash(device, ["md5"]);
  // @ts-expect-error: a hash that is none
  await hash(device, ["md4"]);
  // @ts-expect-error: a readable stream takes nothing
  await copy(device, new ReadableStream());
  return [copied + skipped, md5, crc32, sha1];
}

export async function looks(device: BlockDevice) {
  const inspector: Inspector = await inspect(device, { wasm: "/inspect.wasm", worker: () => new Worker("/inspect/worker.js"), signal });
  const { scheme, parts }: Layout = await inspector.layout({ signal });
  const found: Signature[] = await inspector.signatures(0n, 512);
  const volume: Volume = await inspector.open(parts[0].offset, parts[0].length);
  for await (const entries of volume.list("/", { signal })) console.log(entries.map(({ name, modified }: Entry) => name + modified?.zone), scheme, found);
  const details: Details = await volume.stat("/etc");
  const file: Device = await volume.file("/etc/hostname", { stream: details.streams?.[0]?.name });
  await saveAs(file, "hostname");
  const options: SearchOptions = { needles: [{ text: "x", encodings: ["utf-8"], ignoreCase: true }, { bytes: new Uint8Array(2) }], offset: 1n, onProgress: ({ done }) => console.log(done) };
  const hits: Hit[] = [];
  for await (const some of inspector.search(options)) hits.push(...some);
  // @ts-expect-error: an encoding that is none
  inspector.search({ needles: [{ text: "x", encodings: ["latin-1"] }] });
  // @ts-expect-error: nothing is written
  await volume.remove("/etc");
  await volume.close();
  await inspector.close();
}

export async function evidence(device: BlockDevice, own: Sink, stream: FileSystemWritableFileStream) {
  /** Kept by the page. */ let last: State | undefined;
  const outages: Outage[] = [{ start: "2026-01-01T00:00:00Z", reason: "a cable" }];
  const options: AcquireOptions = {
    format: "zstd", hashes: ["md5", "sha256"], retries: 2, smallest: 512, skipHoles: false, signal,
    facts: { case: { examiner: "E" }, image: { name: "disk.zst" } }, connection: { encrypted: true, pin: "sha256/" }, outages: () => outages,
    onState: async (state) => { last = state; }, onProgress: ({ done, total, lost, recovering }) => console.log(done / total, lost, recovering),
    wasm: "/acquire.wasm", worker: () => new Worker("/evidence/worker.js"),
  };
  const log: Log = await acquire(device, own, options);
  await acquire(device, fileSink(stream), { from: last });
  await acquire(device, streamSink(new WritableStream()));
  for (const name of await listFolders("images")) await deleteFolder("images", name);
  const folder = await opfsFolder("images", "lab7");
  const file: StoreFile = await folder.open("image");
  await acquire(device, storedSink(file));
  await folder.close();
  const image = await imageOf("zstd", device);
  const { md5 } = await pass(image, ["md5"], { zeros: log.zeroFilled, signal });
  // @ts-expect-error: it was not asked for
  const { sha1 } = await pass(image, ["md5"]);
  // @ts-expect-error: a hash that is none
  await acquire(device, own, { hashes: ["crc32"] });
  // @ts-expect-error: a stream is no sink
  await acquire(device, new WritableStream());
  // @ts-expect-error: a file of a store has more than a size
  storedSink({ size: async () => 1 });
  return [md5, sha1, await textOf(log)];
}
