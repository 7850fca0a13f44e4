// Foreign programs that may be missing.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

// What the lab starts, with Debian's packages.
const foreign = {
  nbdkit: "nbdkit", "qemu-nbd": "qemu-utils", "nbd-server": "nbd-server", certtool: "gnutls-bin",
  certutil: "libnss3-tools", nginx: "nginx-light", haproxy: "haproxy",
  mke2fs: "e2fsprogs", "mkfs.fat": "dosfstools", sfdisk: "fdisk",
};

/** @param {string} file */
export function executable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {string[]} others packages that are known to be missing
 * @returns {string | false} why a suite can't run; in CI that is an error
 */
export function missingPackages(others = []) {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const absent = Object.entries(foreign).filter(([program]) => !folders.some((f) => executable(join(f, program)))).map(([, pkg]) => pkg);
  const packages = [...absent, ...others];
  if (packages.length === 0) return false;
  const why = `something is missing: apt-get install ${packages.join(" ")}`;
  if (process.env.CI) throw new Error(why);
  return why;
}
