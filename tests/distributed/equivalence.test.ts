/** Training on several ranks takes the steps of training on one, on whose batches it divides up. */
import { beforeAll, describe, expect, it } from "vitest";
import { distance, hasMpi, trainAll, type Trained } from "./support/run_ranks.js";

const timeout = 300_000;
/** Of one program; many trainings on few cores take their time. */
const most = { timeout: 280_000 };

/** Trainings of a global batch of 16, by the batch size of a rank. */
const runs = (batchSize: number) =>
  [
    { batchSize },
    { batchSize, batchNorm: true },
    { batchSize, accumulate: 3 },
    { batchSize, fabric: true },
    { batchSize, fabric: true, backwards: 2, clip: 0.5, strategy: "zero1" },
    { batchSize, clip: 0.5, strategy: "ddp" },
    { batchSize, clip: 0.5, strategy: "zero1" },
    { batchSize, clip: 0.5, accumulate: 3, strategy: "ddp" },
    { batchSize, clip: 0.5, accumulate: 3, strategy: "zero1" },
  ] as const;

describe("weights after 50 steps", () => {
  let alone: Trained[];

  beforeAll(async () => {
    alone = (await trainAll(runs(16), most)).map(([rank]) => rank!);
  }, timeout);

  function expectEqualToAlone(trained: Trained[][], worldSize: number): void {
    trained.forEach((ranks, i) => {
      for (const rank of ranks) {
        expect(rank.worldSize).toBe(worldSize);
        expect(distance(alone[i]!, rank), `run ${i}`).toBeLessThan(1e-5);
        expect(distance(ranks[0]!, rank)).toBe(0);
      }
    });
    const [ddp, zero1, accumulating, shardedAccumulating] = trained.slice(-4);
    expect(distance(ddp![0]!, zero1![0]!)).toBe(0);
    expect(distance(accumulating![0]!, shardedAccumulating![0]!)).toBe(0);
    expect(distance(ddp![0]!, accumulating![0]!)).toBeGreaterThan(1e-4);
  }

  it.each([2, 4])("on %i threads are those of one", { timeout }, async (devices) => {
    const options = runs(16 / devices).map((run) => ({ ...run, devices }));
    const trained = await trainAll(options, { ...most, ranks: devices });
    expectEqualToAlone(trained, devices);
    // Each sample of the first epoch was seen once, by one rank.
    const seen = trained[0]!.flatMap((rank) => rank.seen.slice(0, 256 / devices)).sort((a, b) => a - b);
    expect(seen).toEqual(Array.from({ length: 256 }, (_, i) => i));
  });

  it.skipIf(!hasMpi).each([2, 4])(
    "on %i processes of mpirun are those of one (needs mpirun)",
    { timeout },
    async (mpi) => {
      expectEqualToAlone(await trainAll(runs(16 / mpi), { ...most, mpi, ranks: mpi }), mpi);
    },
  );

  it.each([2, 3])("on %i processes that meet over TCP are those of one", { timeout }, async (tcp) => {
    // 3 ranks have no even share of 16: they are compared with each other.
    const trained = await trainAll(runs(tcp === 2 ? 8 : 5), { ...most, tcp, ranks: tcp });
    if (tcp === 2) return expectEqualToAlone(trained, tcp);
    for (const ranks of trained) for (const rank of ranks) expect(distance(ranks[0]!, rank)).toBe(0);
    const [ddp, zero1] = trained.slice(-4);
    expect(distance(ddp![0]!, zero1![0]!)).toBe(0);
  });

  it(
    "stay alike where a rank skips a batch, or batch norms have statistics of their own",
    { timeout },
    async () => {
      const options = { devices: 2, batchSize: 8 };
      const fail = { rank: 1, step: 3, how: "skip" };
      const runs = [
        { ...options, fail },
        { ...options, batchNorm: true, syncBatchnorm: false, validates: true },
      ];
      const [skipping, normalized] = await trainAll(runs, { ranks: 2 });
      for (const [[first, second], other] of [
        [skipping!, alone[0]!],
        [normalized!, alone[1]!],
      ] as const) {
        expect(distance(first!, second!)).toBe(0);
        expect(distance(first!, other)).toBeGreaterThan(1e-4);
      }
    },
  );
});

it("3 ranks validate and predict 100 samples as one does", { timeout }, async () => {
  // 10 batches, and 2, of which one rank has none.
  const evaluations = [
    { maxSteps: 0, samples: 100 },
    { maxSteps: 0, samples: 20 },
  ];
  const alone = await trainAll(evaluations);
  const shared = await trainAll(
    [...evaluations, { maxSteps: 2, samples: 20, validates: true }].map((run) => ({ ...run, devices: 3 })),
    { ranks: 3 },
  );
  evaluations.forEach(({ samples }, i) => {
    for (const rank of shared[i]!) {
      expect(rank.predictions).toEqual(alone[i]![0]!.predictions);
      expect(rank.predictions).toHaveLength(samples);
      const [loss, wanted] = [rank.validation, alone[i]![0]!.validation].map(({ val_loss }) => val_loss!);
      expect(Math.abs(loss! - wanted!)).toBeLessThan(1e-9);
    }
  });
  expect(shared[2]!.map(({ steps }) => steps)).toEqual([2, 2, 2]);
});
