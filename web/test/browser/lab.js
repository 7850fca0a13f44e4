// A laboratory: certificates, disks in known patterns, foreign NBD servers and
// a bridge in front of them.
import { mkdtemp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Processes, bridgeBinary, freePort, run } from "./processes.js";

export const diskSize = 8 << 20;

/**
 * Bytes whose every 8-byte word holds its own offset, big-endian.
 * @param {number} offset @param {number} length
 */
export function pattern(offset, length) {
  const first = offset - (offset % 8);
  const words = Math.ceil((offset + length - first) / 8);
  const bytes = Buffer.alloc(words * 8);
  for (let i = 0; i < words; i++) bytes.writeBigUInt64BE(BigInt(first + i * 8), i * 8);
  return bytes.subarray(offset - first, offset - first + length);
}

/**
 * A CA with a server certificate and a client certificate, under the file names
 * that nbdkit and qemu agree on.
 * @param {string} dir @param {string} serverName
 */
async function makePKI(dir, serverName) {
  await mkdir(dir);
  const file = (/** @type {string} */ name) => join(dir, name);
  const issue = async (/** @type {string} */ name, /** @type {string} */ template) => {
    await writeFile(file(`${name}.info`), template);
    await run("certtool", ["--generate-privkey", "--key-type=ecdsa", "--curve=secp256r1", "--outfile", file(`${name}-key.pem`)]);
    const by = name === "ca" ? ["--generate-self-signed"]
      : ["--generate-certificate", "--load-ca-certificate", file("ca-cert.pem"), "--load-ca-privkey", file("ca-key.pem")];
    await run("certtool", [...by, "--load-privkey", file(`${name}-key.pem`), "--template", file(`${name}.info`), "--outfile", file(`${name}-cert.pem`)]);
  };
  await issue("ca", "cn = Lab CA\nca\ncert_signing_key\nexpiration_days = 30\n");
  await issue("server", `cn = ${serverName}\ndns_name = ${serverName}\ntls_www_server\nsigning_key\nexpiration_days = 30\n`);
  await issue("client", "cn = client1\ntls_www_client\nsigning_key\nexpiration_days = 30\n");
  const text = (/** @type {string} */ name) => readFile(file(name), "utf8");
  return { dir, ca: await text("ca-cert.pem"), cert: await text("client-cert.pem"), key: await text("client-key.pem"), serverName };
}

export class Lab {
  processes = new Processes();
  #configs = 0;

  /** @param {string} dir */
  constructor(dir) {
    this.dir = dir;
  }

  static async create() {
    return new Lab(await mkdtemp(join(tmpdir(), "nbd-lab-")));
  }

  /**
   * nbd.lab resolves nowhere: a name that stands in the certificate and in no
   * URL is the point.
   * @param {string} name @param {string} [serverName]
   */
  pki(name, serverName = "nbd.lab") {
    return makePKI(join(this.dir, name), serverName);
  }

  /**
   * A certificate of a PKI's CA for a key that somebody else keeps.
   * @param {{dir: string}} pki @param {string} publicKey as PEM
   */
  async certify(pki, publicKey) {
    const file = (/** @type {string} */ name) => join(pki.dir, name);
    await writeFile(file("public.pem"), publicKey);
    await run("certtool", ["--generate-certificate", "--load-pubkey", file("public.pem"), "--template", file("client.info"),
      "--load-ca-certificate", file("ca-cert.pem"), "--load-ca-privkey", file("ca-key.pem"), "--outfile", file("public-cert.pem")]);
    return readFile(file("public-cert.pem"), "utf8");
  }

  /** @param {string} name @param {Buffer} [content] */
  async disk(name, content = pattern(0, diskSize)) {
    const file = join(this.dir, name);
    await writeFile(file, content);
    return file;
  }

  /**
   * nbdkit over a file; with a PKI it demands TLS and a client certificate.
   * @param {string} file @param {{dir: string}} [pki]
   * @param {string[]} options and filters with a dash, parameters of filters without
   */
  async nbdkit(file, pki, ...options) {
    const port = await freePort();
    const tls = pki ? ["--tls=require", "--tls-verify-peer", `--tls-certificates=${pki.dir}`] : [];
    const process = await this.processes.start({ port, host: "127.0.0.1" }, "nbdkit",
      "--foreground", "--ipaddr=127.0.0.1", `--port=${port}`, ...tls,
      ...options.filter((o) => o.startsWith("-")), "file", file, ...options.filter((o) => !o.startsWith("-")));
    return { ...process, port, target: `tcp://127.0.0.1:${port}` };
  }

  /**
   * nbdkit over nothing: it makes up the pattern, for disks larger than files.
   * @param {number} size @param {{dir: string}} pki
   */
  async nbdkitPattern(size, pki) {
    const port = await freePort();
    const process = await this.processes.start({ port, host: "127.0.0.1" }, "nbdkit", "--foreground", "--ipaddr=127.0.0.1", `--port=${port}`,
      "--tls=require", "--tls-verify-peer", `--tls-certificates=${pki.dir}`, "pattern", String(size));
    return { ...process, port, target: `tcp://127.0.0.1:${port}` };
  }

  /**
   * qemu-nbd over a file, as export "vda"; with a PKI it demands TLS and a
   * client certificate.
   * @param {string} file @param {{dir: string}} [pki] @param {string[]} options
   */
  async qemu(file, pki, ...options) {
    const port = await freePort();
    const tls = pki ? ["--object", `tls-creds-x509,id=tls0,endpoint=server,verify-peer=yes,dir=${pki.dir}`, "--tls-creds=tls0"] : [];
    const process = await this.processes.start({ port, host: "127.0.0.1" }, "qemu-nbd",
      "--persistent", "--shared=0", "--bind=127.0.0.1", `--port=${port}`, "--format=raw", "--export-name=vda", ...tls, ...options, file);
    return { ...process, port, target: `tcp://127.0.0.1:${port}` };
  }

  /**
   * nbd-server over two files, as exports "open" and "secret". With a PKI it
   * offers TLS, and demands a client certificate in it; "secret" is for TLS
   * only then, and with forced everything is.
   * @param {{open: string, secret: string}} files @param {{dir: string}} [pki] @param {boolean} [forced]
   */
  async nbdServer(files, pki, forced = false) {
    const port = await freePort();
    const [config, pidFile] = ["conf", "pid"].map((kind) => join(this.dir, `nbd-server-${port}.${kind}`));
    const tls = pki ? [`certfile=${pki.dir}/server-cert.pem`, `keyfile=${pki.dir}/server-key.pem`, `cacertfile=${pki.dir}/ca-cert.pem`, `force_tls=${forced}`] : [];
    const disk = (/** @type {string} */ name, /** @type {string} */ file) => [`[${name}]`, `exportname=${file}`, "flush=true", "fua=true"];
    const lines = ["[generic]", `port=${port}`, "listenaddr=127.0.0.1", "allowlist=true", ...tls,
      ...disk("open", files.open), ...disk("secret", files.secret), ...(pki ? ["force_tls=true"] : [])];
    await writeFile(config, `${lines.join("\n")}\n`);
    await this.processes.startDaemon({ port, host: "127.0.0.1" }, pidFile, "nbd-server", "-C", config, "-p", pidFile);
    return { port, target: `tcp://127.0.0.1:${port}` };
  }

  /**
   * `bridge serve --ui` with named targets.
   * @param {Record<string, string>} targets @param {string[]} args
   */
  async bridge(targets, ...args) {
    const port = await freePort();
    const named = Object.entries(targets).flatMap(([name, address]) => ["--target", `${name}=${address}`]);
    const process = await this.processes.start({ port, host: "127.0.0.1" }, bridgeBinary,
      "serve", "--ui", "--listen", `127.0.0.1:${port}`, ...named, ...args);
    return { ...process, port, page: `http://127.0.0.1:${port}/demo/`, url: (/** @type {string} */ target) => `ws://127.0.0.1:${port}/nbd/${target}` };
  }

  /**
   * `bridge serve --config`, for what has no flag.
   * @param {import("node:net").NetConnectOpts} at
   * @param {string} config
   */
  async configuredBridge(at, config) {
    const file = join(this.dir, `bridge-${++this.#configs}.yaml`);
    await writeFile(file, config);
    return { file, ...await this.processes.start(at, bridgeBinary, "serve", "--config", file) };
  }

  async close() {
    await this.processes.stopAll();
    await rm(this.dir, { recursive: true, force: true });
  }
}
