/** What a detector is worth is a matter of all pictures, whichever ranks have looked at them. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import "../support/backend.js";
import { Trainer } from "../../src/core/index.js";
import { seedEverything } from "../../src/random.js";
import { ObjectDetectionData } from "../../src/tasks/detection/object_detection_data.js";
import { ObjectDetector } from "../../src/tasks/detection/object_detector.js";
import { rectangles, tinyBackbone } from "../tasks/detection/tiny_detector.js";
import type { Detected } from "./support/detect_process.js";
import { runRanks } from "./support/run_ranks.js";

const timeout = 300_000;
let folder: string;
let path: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "kindling-detection-ranks-"));
  path = join(folder, "task.kindling");
  seedEverything(0);
  const train = rectangles(64, 1);
  const data = await ObjectDetectionData.fromArrays({ train, labels: ["green", "red"], batchSize: 8 });
  const task = new ObjectDetector({ data, backbone: tinyBackbone(), imageSize: 64, learningRate: 4e-3 });
  const quiet = { logger: false as const, enableCheckpointing: false, enableProgressBar: false };
  await new Trainer({ maxEpochs: 10, ...quiet }).fit(task, data);
  await task.save(path);
}, timeout);
afterAll(() => rmSync(folder, { recursive: true }));

async function detect(devices: number): Promise<Detected[]> {
  const output = join(folder, `rank-of-${devices}`);
  const ended = await runRanks("detect_process.ts", [JSON.stringify({ path, output, devices })]);
  if (ended.code !== 0) throw new Error(`The ranks ended with ${ended.code}:\n${ended.stderr}`);
  return Array.from(
    { length: devices },
    (_, rank) => JSON.parse(readFileSync(`${output}.${rank}`, "utf8")) as Detected,
  );
}

describe("3 ranks with 100 pictures", () => {
  it(
    "have the average precision of one, also where a sampler gives pictures twice",
    { timeout },
    async () => {
      const [alone] = await detect(1);
      const ranks = await detect(3);
      const names = ["val_map", "val_map50", "val_map75", "val_mar100"];
      expect(alone!.shared.val_map).toBeGreaterThan(0.1);
      for (const { shared, padded } of ranks) {
        for (const name of names) {
          expect(Math.abs(shared[name]! - alone!.shared[name]!), name).toBeLessThan(1e-9);
          expect(Math.abs(padded[name]! - alone!.shared[name]!), name).toBeLessThan(1e-9);
        }
      }
      // Free memory is for 8, 6 and 4 pictures of each rank.
      expect(ranks.map(({ batchSize }) => batchSize)).toEqual([4, 4, 4]);
    },
  );
});
