import { checkDevice } from "../checks.js";
import { Device } from "../device.js";

/**
 * A view through which nothing can be changed. It holds no way to write: not
 * behind its methods, and not on what it inherits. It does not keep others
 * from changing the device, and neither does it keep the server.
 * @param {import("../device.js").BlockDevice} device
 * @returns {Device} flush does nothing; close closes the device
 */
export function readOnlyView(device) {
  const { size, blockSize, identity, closed } = checkDevice(device);
  return new Device({
    size,
    blockSize: { ...blockSize },
    identity,
    closed,
    read: (offset, length, { signal }) => device.read(offset, length, { signal }),
    readMany: (ranges, { signal }) => device.readMany(ranges, { signal }),
    blockStatus: (offset, length, { signal }) => device.blockStatus(offset, length, { signal }),
    close: () => device.close(),
  });
}
