/** The loader: order, prefetching, errors, resuming. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import {
  ArrayDataset,
  ConcatDataset,
  DataLoader,
  MapDataset,
  Subset,
  WeightedRandomSampler,
  type Dataset,
} from "../../src/data/index.js";
import { DataError } from "../../src/errors.js";
import type { HostTensor } from "../../src/host_tensor.js";
import { seedEverything, type Generator } from "../../src/random.js";

afterEach(() => {
  seedEverything(0);
});

const numbers = (length: number) => new ArrayDataset(Array.from({ length }, (_, i) => i));

async function read(loader: AsyncIterable<HostTensor>): Promise<number[][]> {
  const batches: number[][] = [];
  for await (const { data } of loader) batches.push([...data]);
  return batches;
}

/** A sample is its index and what its generator draws. */
const drawing = (length: number): Dataset<number[]> => ({
  length,
  get: (index, random) => [index, random.uniform(), random.uniform()],
});

async function readAll<Batch>(loader: AsyncIterable<Batch>): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of loader) batches.push(batch);
  return batches;
}

describe("order", () => {
  it("goes through the samples in batches, the last one short or dropped", async () => {
    const loader = new DataLoader(numbers(7), { batchSize: 3 });
    expect(loader.length).toBe(3);
    expect(await read(loader)).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
    const dropping = new DataLoader(numbers(7), { batchSize: 3, dropLast: true });
    expect(dropping.length).toBe(2);
    expect(await read(dropping)).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
  });

  it("shuffles every sample into each epoch, in another order each time", async () => {
    const loader = new DataLoader(numbers(100), { batchSize: 10, shuffle: true, seed: 4 });
    const epochs = [await read(loader), await read(loader)].map((batches) => batches.flat());
    for (const epoch of epochs)
      expect([...epoch].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(epochs[0]).not.toEqual(epochs[1]);
    expect(epochs[0]).not.toEqual([...epochs[0]!].sort((a, b) => a - b));
  });

  it("depends on the seed and the epoch, not on what was read before", async () => {
    const options = { batchSize: 10, shuffle: true, seed: 4 };
    const reference = new DataLoader(drawing(50), options);
    const epochs = [await readAll(reference), await readAll(reference), await readAll(reference)];
    const fresh = new DataLoader(drawing(50), { ...options, prefetch: 5 });
    fresh.setEpoch(2);
    expect(await readAll(fresh)).toEqual(epochs[2]);
    fresh.setEpoch(0);
    expect(await readAll(fresh)).toEqual(epochs[0]);
    expect(await readAll(new DataLoader(drawing(50), { ...options, seed: 5 }))).not.toEqual(epochs[0]);
  });

  it("follows the global seed where it has none, as it is when reading starts", async () => {
    const loader = new DataLoader(drawing(20), { shuffle: true });
    seedEverything(7);
    const expected = await readAll(new DataLoader(drawing(20), { shuffle: true, seed: 7 }));
    expect(await readAll(loader)).toEqual(expected);
  });

  it("gives a sample the same random numbers whatever its place", async () => {
    const draws = async (shuffle: boolean) => {
      const loader = new DataLoader(drawing(30), { batchSize: 4, shuffle, seed: 1 });
      return (await readAll(loader)).flat().sort((a, b) => a[0]! - b[0]!);
    };
    expect(await draws(true)).toEqual(await draws(false));
  });

  it("takes a sampler, and gives a sample that comes again other random numbers", async () => {
    const sampler = new WeightedRandomSampler([0, 1], { numSamples: 3 });
    const [batch] = await readAll(new DataLoader(drawing(2), { sampler, seed: 0 }));
    expect(batch!.map(([index]) => index)).toEqual([1, 1, 1]);
    expect(new Set(batch!.map(([, draw]) => draw)).size).toBe(3);
    expect(() => new DataLoader(numbers(2), { sampler, shuffle: true })).toThrow("leave out `shuffle`");
  });

  it.each([{ batchSize: 0 }, { batchSize: 1.5 }, { prefetch: 0 }])("refuses %o", (options) => {
    expect(() => new DataLoader(numbers(3), options)).toThrow(
      expect.objectContaining({ code: "ERR_LOADER_OPTION" }),
    );
  });
});

describe("prefetching", () => {
  /** Counts the samples that were asked for. */
  function counting(length: number, get: (index: number) => number | Promise<number> = (index) => index) {
    const dataset = {
      asked: 0,
      length,
      get(index: number) {
        dataset.asked++;
        return get(index);
      },
    };
    return dataset;
  }

  it("asks for the next batches, and no more, before it hands one out", async () => {
    const dataset = counting(100);
    const asked: number[] = [];
    for await (const _ of new DataLoader(dataset, { batchSize: 10, prefetch: 2 })) asked.push(dataset.asked);
    expect(asked).toEqual([30, 40, 50, 60, 70, 80, 90, 100, 100, 100]);
  });

  it("loads while the consumer waits, and work in several stages while it only gets short turns", async () => {
    let stages = 0;
    const dataset = counting(8, async (index) => {
      for (let stage = 0; stage < 2; stage++) {
        await sleep(5);
        stages++;
      }
      return index;
    });
    const seen: number[] = [];
    for await (const _ of new DataLoader(dataset, { batchSize: 2, prefetch: 2 })) {
      const end = performance.now() + 20;
      while (performance.now() < end); // a step that blocks the event loop
      seen.push(stages);
    }
    expect(seen[1]).toBeGreaterThanOrEqual(8);
  });

  it("stays quiet when the consumer leaves and what was asked for fails", async () => {
    const rejections: unknown[] = [];
    const listener = (reason: unknown) => rejections.push(reason);
    process.on("unhandledRejection", listener);
    const dataset = counting(20, async (index) => {
      await sleep(1);
      if (index >= 4) throw new Error("too late to matter");
      return index;
    });
    for await (const _ of new DataLoader(dataset, { batchSize: 2 })) break;
    await sleep(30);
    process.off("unhandledRejection", listener);
    expect(rejections).toEqual([]);
    expect(dataset.asked).toBeLessThanOrEqual(6);
  });
});

describe("errors", () => {
  const failing = (error: unknown): Dataset<number> => ({
    length: 10,
    get: async (index) => {
      if (index === 5) throw error;
      return index;
    },
  });

  it("reach the consumer at the batch they belong to, with the sample's index", async () => {
    const batches: number[][] = [];
    const run = async () => {
      for await (const { data } of new DataLoader(failing(new Error("no such row")), { batchSize: 2 }))
        batches.push([...data]);
    };
    const error: unknown = await run().catch((reason: unknown) => reason);
    expect(batches).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(error).toBeInstanceOf(DataError);
    expect(error).toMatchObject({ code: "ERR_SAMPLE", message: "Sample 5 could not be loaded: no such row" });
    expect((error as DataError).cause).toBeInstanceOf(Error);
  });

  it("that name a file pass as they are; others keep their code", async () => {
    const named = new DataError("ERR_IMAGE_EMPTY", "a.jpg is empty.", { path: "a.jpg" });
    await expect(readAll(new DataLoader(failing(named)))).rejects.toBe(named);
    const nameless = new DataError("ERR_IMAGE_PIXELS", "The pixels are wrong.");
    await expect(readAll(new DataLoader(failing(nameless)))).rejects.toMatchObject({
      code: "ERR_IMAGE_PIXELS",
      message: "Sample 5 could not be loaded: The pixels are wrong.",
    });
  });
});

describe("resuming", () => {
  it.each([0, 1, 3, 4])("goes on with the same batches after %i of 5", async (done) => {
    const make = () => new DataLoader(drawing(50), { batchSize: 10, shuffle: true, seed: 3 });
    const reference = make();
    reference.setEpoch(2);
    const expected = [...(await readAll(reference)), ...(await readAll(reference))];

    const first = make();
    first.setEpoch(2);
    const read: unknown[] = [];
    let state = first.stateDict();
    if (done > 0) {
      for await (const batch of first) {
        read.push(batch);
        state = first.stateDict();
        if (read.length === done) break;
      }
    }
    expect(state).toEqual({ epoch: 2, batch: done });

    const second = make();
    second.loadStateDict(JSON.parse(JSON.stringify(state)) as typeof state);
    second.setEpoch(2); // as a training loop does before each epoch
    read.push(...(await readAll(second)));
    expect(second.stateDict()).toEqual({ epoch: 3, batch: 0 });
    read.push(...(await readAll(second)));
    expect(read).toEqual(expected);
  });

  it("starts another epoch at its beginning", async () => {
    const loader = new DataLoader(numbers(6), { batchSize: 2 });
    loader.loadStateDict({ epoch: 1, batch: 2 });
    loader.setEpoch(3);
    expect(await read(loader)).toHaveLength(3);
  });

  it("starts anew after the consumer has left", async () => {
    const loader = new DataLoader(numbers(6), { batchSize: 2 });
    for await (const _ of loader) break;
    expect(await read(loader)).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
    ]);
  });
});

it("withDataset keeps the settings", async () => {
  const loader = new DataLoader(numbers(9), { batchSize: 2, shuffle: true, seed: 8, dropLast: true });
  const doubled = new ArrayDataset(Array.from({ length: 9 }, (_, i) => i * 2));
  const expected = (await read(loader)).map((batch) => batch.map((value) => value * 2));
  expect(await read(loader.withDataset(doubled))).toEqual(expected);
});

it("datasets combine", async () => {
  const both = new ConcatDataset<number>([numbers(3), new Subset(numbers(10), [9, 7])]);
  const mapped = new MapDataset(
    both,
    (value, random: Generator) => value * 10 + Math.floor(random.uniform()),
  );
  expect(await read(new DataLoader(mapped))).toEqual([[0, 10, 20, 90, 70]]);
  expect(() => new ArrayDataset([1]).get(1)).toThrow("no sample 1");
  expect(() => both.get(5, undefined as never)).toThrow("no sample 5");
});
