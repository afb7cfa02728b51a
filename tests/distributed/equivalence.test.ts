/** Training on several ranks takes the steps of training on one, on whose batches it divides up. */
import { beforeAll, describe, expect, it } from "vitest";
import { distance, hasMpi, train, type Trained } from "./support/run_ranks.js";

const timeout = 240_000;

describe("weights after 50 steps", () => {
  let alone: Trained;
  let normalized: Trained;

  beforeAll(async () => {
    [alone] = (await train({ batchSize: 16 })) as [Trained];
    [normalized] = (await train({ batchSize: 16, batchNorm: true })) as [Trained];
  }, timeout);

  it("on 2 and on 4 threads are those of one", { timeout }, async () => {
    for (const devices of [2, 4]) {
      const ranks = await train({ devices, batchSize: 16 / devices }, { ranks: devices });
      expect(ranks.map(({ worldSize, steps }) => [worldSize, steps])).toEqual(ranks.map(() => [devices, 50]));
      for (const rank of ranks) {
        expect(distance(alone, rank)).toBeLessThan(1e-5);
        expect(distance(ranks[0]!, rank)).toBe(0);
      }
      // Each sample of the epochs was seen once, by one rank.
      const seen = ranks.flatMap((rank) => rank.seen.slice(0, 256 / devices)).sort((a, b) => a - b);
      expect(seen).toEqual(Array.from({ length: 256 }, (_, i) => i));
    }
  });

  it("are those of one where batch norms are synchronised", { timeout }, async () => {
    const ranks = await train({ devices: 2, batchSize: 8, batchNorm: true }, { ranks: 2 });
    expect(distance(normalized, ranks[0]!)).toBeLessThan(1e-5);
    expect(distance(ranks[0]!, ranks[1]!)).toBe(0);
  });

  it("are the same bits with a sharded optimizer, gradients clipped", { timeout }, async () => {
    const options = { devices: 2, batchSize: 8, clip: 0.5 };
    const [ddp] = await train({ ...options, strategy: "ddp" }, { ranks: 2 });
    for (const zero of await train({ ...options, strategy: "zero1" }, { ranks: 2 })) {
      expect(distance(ddp!, zero)).toBe(0);
    }
  });

  it("are those of one with gradients accumulated, and a rank that skips a batch", { timeout }, async () => {
    const [one] = await train({ batchSize: 16, accumulate: 3 });
    const ranks = await train({ devices: 2, batchSize: 8, accumulate: 3 }, { ranks: 2 });
    expect(distance(one!, ranks[0]!)).toBeLessThan(1e-5);
    const fail = { rank: 1, step: 3, how: "skip" };
    const skipping = await train({ devices: 2, batchSize: 8, fail }, { ranks: 2 });
    expect(distance(skipping[0]!, skipping[1]!)).toBe(0);
    expect(distance(skipping[0]!, alone)).toBeGreaterThan(1e-4);
  });

  it.skipIf(!hasMpi)("on 2 and on 4 processes of mpirun are those of one (needs mpirun)", { timeout }, async () => {
    for (const mpi of [2, 4]) {
      const ranks = await train({ batchSize: 16 / mpi }, { mpi, ranks: mpi });
      for (const rank of ranks) expect(distance(alone, rank)).toBeLessThan(1e-5);
      expect(distance(ranks[0]!, ranks.at(-1)!)).toBe(0);
    }
    const norm = await train({ batchSize: 8, batchNorm: true }, { mpi: 2, ranks: 2 });
    expect(distance(normalized, norm[0]!)).toBeLessThan(1e-5);
    const [ddp, zero] = [
      await train({ batchSize: 8, strategy: "ddp" }, { mpi: 2, ranks: 2 }),
      await train({ batchSize: 8, strategy: "zero1" }, { mpi: 2, ranks: 2 }),
    ];
    expect(distance(ddp[0]!, zero[0]!)).toBe(0);
  });
});

it("3 ranks validate and predict 100 samples as one does", { timeout }, async () => {
  const [one] = await train({ maxSteps: 0, samples: 100 });
  const ranks = await train({ maxSteps: 0, samples: 100, devices: 3 }, { ranks: 3 });
  for (const rank of ranks) {
    expect(rank.predictions).toEqual(one!.predictions);
    expect(rank.predictions).toHaveLength(100);
    expect(Math.abs(rank.validation.val_loss! - one!.validation.val_loss!)).toBeLessThan(1e-9);
  }
});
