// The inspector: looks into a disk, and changes nothing on it.
import { startDiskPage } from "./page.js";

startDiskPage({
  says: "Look into a disk: its partitions, its files and its bytes. Nothing on it is changed.",
  action: "Inspect",
  make: () => ({ begin: (disk) => ({ device: disk, jobs: [] }), show: () => {}, close: () => {} }),
});
