/** Training that was saved by some ranks goes on with others, on the samples that would have come next. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { distance, runRanks, train, trainAll } from "./support/run_ranks.js";

const timeout = 300_000;

it("goes on with any number of ranks, in the order of one", { timeout }, async () => {
  const save = join(mkdtempSync(join(tmpdir(), "kindling-elastic-")), "half.safetensors");
  const [whole] = await train({ batchSize: 16 });
  // 24 steps: half of the second epoch, the optimizer's state on two ranks.
  const half = { devices: 2, strategy: "zero1" };
  const [, same] = await trainAll(
    [
      { ...half, maxSteps: 24, batchSize: 8, save },
      { ...half, batchSize: 8, ckptPath: save },
    ],
    { ranks: 2 },
  );
  const four = await train({ devices: 4, batchSize: 4, ckptPath: save }, { ranks: 4 });
  const one = await train({ batchSize: 16, ckptPath: save });
  for (const resumed of [same!, four, one]) {
    expect(distance(whole!, resumed[0]!)).toBeLessThan(1e-5);
    const globalBatch = (step: number) =>
      resumed.flatMap(({ seen }) => {
        const each = 16 / resumed.length;
        return seen.slice(step * each, (step + 1) * each);
      });
    for (const step of [0, 7, 8, 25]) {
      const wanted = whole!.seen.slice((24 + step) * 16, (25 + step) * 16);
      expect(globalBatch(step).sort()).toEqual(wanted.sort());
    }
  }
  // 24 steps of 16 samples are no whole number of 3 · 16.
  const output = `${save}.three`;
  const three = await runRanks("train_process.ts", [
    JSON.stringify({ output, runs: [{ devices: 3, batchSize: 16, ckptPath: save }] }),
  ]);
  expect(three.code).toBe(1);
  expect(three.stderr).toContain("ERR_RESUME_WORLD");
});
