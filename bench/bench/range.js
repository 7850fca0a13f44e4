// Reads through the URL of a device, as a library does that takes a URL.

/** Reads for a while; tells operations per second. */
export async function fetchRound(url, total, size, time) {
  const begin = performance.now();
  let n = 0;
  for (; performance.now() - begin < time; n++) {
    const at = n * size % total;
    const response = await fetch(url, { headers: { Range: `bytes=${at}-${at + size - 1}` } });
    const { byteLength } = await response.arrayBuffer();
    if (response.status !== 206 || byteLength !== size) throw new Error(`${response.status}, ${byteLength} bytes`);
  }
  return n / (performance.now() - begin) * 1000;
}
