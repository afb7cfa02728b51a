/** A stage that runs in a process of its own. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export default function stage({ first, value }, { folder }) {
  writeFileSync(join(folder, "value.txt"), String(value));
  return { sum: value + (first?.result.sum ?? 0), pid: process.pid };
}
