// Proxies in front of a bridge, configured by the files of deploy/.
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "./processes.js";

const folder = new URL("../../../deploy/", import.meta.url);

// Where the proxies bind the connections that they make, so that their address
// is not a browser's.
export const proxyAddress = "127.0.0.9";

/**
 * Reads a file of deploy/ and changes what its reader is told to change. What
 * is to be changed must be there.
 * @param {string} name @param {Record<string, string>} values
 */
async function shipped(name, values) {
  let text = await readFile(new URL(name, folder), "utf8");
  for (const [from, to] of Object.entries(values)) {
    if (!text.includes(from)) throw new Error(`deploy/${name} does not hold ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

/**
 * What the head of a proxy's file demands of bridge.yaml.
 * @param {string} text
 */
function demanded(text) {
  const [, after] = text.split("# In bridge.yaml:\n");
  const lines = after.split("\n");
  return lines.slice(0, lines.findIndex((line) => !line.startsWith("#   "))).map((line) => `${line.slice(4)}\n`).join("");
}

/** @typedef {{dir: string}} PKI */
/** @typedef {import("./lab.js").Lab} Lab */

/**
 * nginx with deploy/nginx.conf, before a bridge at a Unix socket.
 * @param {Lab} lab @param {PKI} pki @param {string} rest of bridge.yaml
 */
export async function behindNginx(lab, pki, rest) {
  const [dir, port] = [await mkdtemp(join(lab.dir, "nginx-")), await freePort()];
  const socket = join(dir, "http.sock");
  const site = await shipped("nginx.conf", {
    "https://bridge.example": `https://bridge.example:${port}`,
    "listen 443 ssl": `listen 127.0.0.1:${port} ssl`,
    "/etc/nginx/bridge.crt": `${pki.dir}/server-cert.pem`,
    "/etc/nginx/bridge.key": `${pki.dir}/server-key.pem`,
    "/run/bridge/http.sock": socket,
  });
  const bridge = await lab.configuredBridge({ path: socket }, demanded(site) + rest);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${dir}/${kind};`);
  const config = join(dir, "nginx.conf");
  await writeFile(config, `daemon off; master_process off; pid ${dir}/pid; error_log stderr;
    events {}
    http { access_log off; ${temporary.join(" ")}\n${site}}\n`);
  const proxy = await lab.processes.start({ host: "127.0.0.1", port }, "nginx", "-e", "stderr", "-p", dir, "-c", config);
  return { port, bridge, proxy };
}

/**
 * HAProxy with deploy/haproxy.cfg, before a bridge at a TCP port.
 * @param {Lab} lab @param {PKI} pki @param {string} rest of bridge.yaml
 */
export async function behindHAProxy(lab, pki, rest) {
  const [dir, port, inner] = [await mkdtemp(join(lab.dir, "haproxy-")), await freePort(), await freePort()];
  const pem = join(dir, "bridge.pem");
  await writeFile(pem, await readFile(join(pki.dir, "server-cert.pem"), "utf8") + await readFile(join(pki.dir, "server-key.pem"), "utf8"));
  const site = await shipped("haproxy.cfg", {
    "https://bridge.example": `https://bridge.example:${port}`,
    "bind :443": `bind 127.0.0.1:${port}`,
    "/etc/haproxy/bridge.pem": pem,
    "127.0.0.1:8080": `127.0.0.1:${inner}`,
    "127.0.0.1/32": `${proxyAddress}/32`,
  });
  const bridge = await lab.configuredBridge({ host: "127.0.0.1", port: inner }, demanded(site) + rest);
  const config = join(dir, "haproxy.cfg");
  await writeFile(config, `global\n  log stdout format raw local0\ndefaults\n  log global\n  source ${proxyAddress}\n${site}`);
  const proxy = await lab.processes.start({ host: "127.0.0.1", port }, "haproxy", "-db", "-f", config);
  return { port, bridge, proxy };
}
