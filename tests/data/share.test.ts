/** What ranks have of a data set: PyTorch's DistributedSampler for training, whole batches in turn for evaluation. */
import { describe, expect, it } from "vitest";
import { ArrayDataset, DataLoader, DistributedSampler, RandomSampler } from "../../src/data/index.js";
import { Generator, seedEverything } from "../../src/random.js";

/** `list(DistributedSampler(range(n), num_replicas, rank, shuffle=False, drop_last))` of PyTorch 1.13, for each rank. */
const torchs = [
  {
    length: 10,
    ranks: 3,
    dropLast: false,
    wanted: [
      [0, 3, 6, 9],
      [1, 4, 7, 0],
      [2, 5, 8, 1],
    ],
  },
  {
    length: 10,
    ranks: 3,
    dropLast: true,
    wanted: [
      [0, 3, 6],
      [1, 4, 7],
      [2, 5, 8],
    ],
  },
  { length: 2, ranks: 4, dropLast: false, wanted: [[0], [1], [0], [1]] },
  {
    length: 12,
    ranks: 4,
    dropLast: false,
    wanted: [
      [0, 4, 8],
      [1, 5, 9],
      [2, 6, 10],
      [3, 7, 11],
    ],
  },
];

describe("DistributedSampler", () => {
  it.each(torchs)(
    "deals $length samples out to $ranks ranks as PyTorch's",
    ({ length, ranks, dropLast, wanted }) => {
      const samplers = wanted.map(
        (_, rank) => new DistributedSampler(length, { numReplicas: ranks, rank, dropLast }),
      );
      expect(samplers.map((sampler) => sampler.order(new Generator(0)))).toEqual(wanted);
      expect(samplers.map((sampler) => sampler.length)).toEqual(wanted.map((order) => order.length));
    },
  );

  it("deals out one random order", () => {
    const orders = [0, 1].map((rank) =>
      new DistributedSampler(new RandomSampler(9), { numReplicas: 2, rank }).order(new Generator(5)),
    );
    const whole = new RandomSampler(9).order(new Generator(5));
    expect(orders[0]).toEqual([0, 2, 4, 6, 8].map((i) => whole[i]));
    expect(orders[1]).toEqual([1, 3, 5, 7].map((i) => whole[i]).concat(whole[0]));
  });
});

describe("a DataLoader's share", () => {
  const dataset = new ArrayDataset(Array.from({ length: 103 }, (_, i) => i));
  const collate = (samples: number[]) => samples;
  const all = async (loader: AsyncIterable<number[]>) => {
    const batches: number[][] = [];
    for await (const batch of loader) batches.push(batch);
    return batches;
  };

  it("of batches is every batch of the whole once, for any number of ranks", async () => {
    const loader = new DataLoader(dataset, { batchSize: 10, collate });
    const whole = await all(loader);
    for (const worldSize of [1, 2, 3, 4, 11, 12, 20]) {
      const shares = Array.from({ length: worldSize }, (_, rank) =>
        loader.shareOf({ rank, worldSize, of: "batches" }),
      );
      const batches = await Promise.all(shares.map(all));
      expect(batches.map(({ length }) => length)).toEqual(shares.map(({ length }) => length));
      const inTurn = whole.map((_, i) => batches[i % worldSize]![Math.floor(i / worldSize)]);
      expect(inTurn).toEqual(whole);
    }
  });

  it("of samples makes up the global batches of one rank", async () => {
    seedEverything(3);
    const options = { shuffle: true, collate };
    const whole = await all(new DataLoader(dataset, { ...options, batchSize: 12 }));
    const loader = new DataLoader(dataset, { ...options, batchSize: 4 });
    const shares = await Promise.all(
      [0, 1, 2].map((rank) => all(loader.shareOf({ rank, worldSize: 3, of: "samples" }))),
    );
    expect(new Set(shares.map(({ length }) => length))).toEqual(new Set([9]));
    for (const i of [0, 1, 7]) {
      const together = shares.flatMap((batches) => batches[i]!);
      expect([...together].sort()).toEqual([...whole[i]!].sort());
    }
  });

  it("goes on within an epoch, with samples that nobody has seen", async () => {
    const loader = new DataLoader(dataset, { batchSize: 5, shuffle: true, collate });
    const [whole, rest] = [0, 0].map(() => loader.shareOf({ rank: 1, worldSize: 2, of: "samples" }));
    const batches = await all(whole!);
    rest!.loadStateDict({ epoch: 0, batch: 4 });
    expect(await all(rest!)).toEqual(batches.slice(4));
  });
});
