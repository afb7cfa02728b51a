/** A stage that runs in a process of its own. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StageContext, StageOutput } from "../../src/apps/stage.js";

interface Inputs {
  first?: StageOutput<{ sum: number }>;
  value: number;
}

export default function stage({ first, value }: Inputs, { folder }: StageContext) {
  writeFileSync(join(folder, "value.txt"), String(value));
  return { sum: value + (first?.result.sum ?? 0), pid: process.pid };
}
