/** Every collective on arrays of many lengths and kinds, compared with what is computed without the other ranks. */
import {
  allGatherObject,
  broadcastObject,
  joinProcessGroup,
  TorchElasticEnvironment,
  type ProcessGroup,
} from "../../../src/distributed/index.js";
import { joinLocalRanks, launchLocalRanks, localRankData } from "../../../src/distributed/local/launch.js";
import { MpiGroup } from "../../../src/distributed/mpi/mpi_group.js";
import { HostTensor } from "../../../src/host_tensor.js";

const [backend, ranks] = process.argv.slice(2) as [string, string];

async function join(): Promise<ProcessGroup> {
  if (backend === "mpi") return MpiGroup.join();
  if (backend === "tcp") return (await joinProcessGroup(new TorchElasticEnvironment(), undefined)).group;
  const data = localRankData();
  return data === undefined ? launchLocalRanks(Number(ranks)) : joinLocalRanks(data);
}

const group = await join();
const { rank, size } = group;
const all = Array.from({ length: size }, (_, i) => i);
const problems: string[] = [];
let checks = 0;

type Kind = typeof Float32Array | typeof Float64Array | typeof Int32Array;

/** Whole numbers, whose sums are exact in any order, and which come again after `PERIOD`. */
const valueOf = (of: number, i: number) => ((i * 7 + of * 13) % PERIOD) - 50;
const PERIOD = 101;

const periodOf = (Kind: Kind, at: (i: number) => number) =>
  new Kind(Array.from({ length: PERIOD }, (_, i) => at(i)));

function arrayOf(Kind: Kind, of: number, length: number): InstanceType<Kind> {
  const array = new Kind(length);
  for (let i = 0; i < length; i++) array[i] = valueOf(of, i);
  return array;
}

function expectEqual(what: string, got: ArrayLike<number>, wanted: (i: number) => number): void {
  checks++;
  for (let i = 0; i < got.length; i++) {
    if (got[i] === wanted(i)) continue;
    problems.push(`${what} [${i}]: ${got[i]} instead of ${wanted(i)}`);
    return;
  }
}

const reductions = {
  sum: (values: number[]) => values.reduce((a, b) => a + b, 0),
  mean: (values: number[]) => values.reduce((a, b) => a + b, 0) / size,
  min: (values: number[]) => Math.min(...values),
  max: (values: number[]) => Math.max(...values),
};

for (const Kind of [Float32Array, Float64Array, Int32Array]) {
  // Around the sizes of pieces: less than one a rank, one, and several with a rest.
  for (const length of [0, 1, 2, 1000, 131_072, 1_100_003]) {
    for (const op of ["sum", "mean", "min", "max"] as const) {
      if (op === "mean" && Kind === Int32Array) continue;
      const array = arrayOf(Kind, rank, length);
      const work = group.allReduce(array, op);
      if (length % 2 === 0) work.wait();
      else await work.finished();
      const wanted = periodOf(Kind, (i) => reductions[op](all.map((other) => valueOf(other, i))));
      expectEqual(`allReduce ${op} ${Kind.name} ${length}`, array, (i) => wanted[i % PERIOD]!);
    }
    const output = new Kind(length);
    group.reduceScatter(arrayOf(Kind, rank, length * size), output).wait();
    const sums = periodOf(Kind, (i) => reductions.sum(all.map((other) => valueOf(other, i))));
    expectEqual(`reduceScatter ${Kind.name} ${length}`, output, (i) => sums[(rank * length + i) % PERIOD]!);
    const gathered = new Kind(length * size);
    await group.allGather(arrayOf(Kind, rank, length), gathered).finished();
    expectEqual(`allGather ${Kind.name} ${length}`, gathered, (i) =>
      valueOf(Math.floor(i / length), i % length),
    );
    const sent = arrayOf(Kind, rank, length);
    group.broadcast(sent, size - 1).wait();
    expectEqual(`broadcast ${Kind.name} ${length}`, sent, (i) => valueOf(size - 1, i));
    const collected = rank === 1 ? new Kind(length * size) : undefined;
    group.gather(arrayOf(Kind, rank, length), collected, 1).wait();
    expectEqual(`gather ${Kind.name} ${length}`, collected ?? [], (i) =>
      valueOf(Math.floor(i / length), i % length),
    );
  }
}

// Several under way at once are done in their order.
const first = Float32Array.of(rank);
const second = Float32Array.of(rank);
const works = [group.allReduce(first), group.barrier(), group.allReduce(second, "max")];
for (const work of works.reverse()) await work.finished();
expectEqual("first of several", first, () => reductions.sum(all));
expectEqual("last of several", second, () => size - 1);

// The bits of sums in the order of the ranks, whatever carries them, and whoever gets which part.
const length = 300_001;
const unevenOf = (of: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin(i + of) * 10 ** ((i + 3 * of) % 7));
const means = new Float32Array(length);
for (const of of all) unevenOf(of).forEach((value, i) => (means[i]! += value));
for (let i = 0; i < length; i++) means[i]! /= size;
const lengths = all.map((of) => (of === size - 1 ? length - of * (of + 1) * 30_000 : (of + 1) * 60_000));
const start = lengths.slice(0, rank).reduce((sum, share) => sum + share, 0);
for (const kind of ["own", "allocated"]) {
  const make = () => (kind === "own" ? new Float32Array(length) : group.allocate(length));
  const reduced = make();
  reduced.set(unevenOf(rank));
  group.allReduce(reduced, "mean").wait();
  expectEqual(`bits of allReduce, ${kind}`, reduced, (i) => means[i]!);
  const scattered = make();
  scattered.set(unevenOf(rank));
  const part = scattered.subarray(start, start + lengths[rank]!);
  await group.reduceScatter(scattered, part, "mean", lengths).finished();
  expectEqual(`bits of reduceScatter, ${kind}`, part, (i) => means[start + i]!);
  group.allGather(part, scattered, lengths).wait();
  expectEqual(`bits of both, ${kind}`, scattered, (i) => means[i]!);
}

// Objects of any size.
const value = {
  rank,
  nested: [new HostTensor(Float32Array.of(rank, 2), [2]), undefined, "é".repeat(rank * 1000)],
};
const values = await allGatherObject(group, value);
values.forEach((theirs, other) => {
  checks++;
  const tensor = theirs.nested[0] as HostTensor;
  const isRight = theirs.rank === other && tensor instanceof HostTensor && tensor.data[0] === other;
  if (!isRight || (theirs.nested[2] as string).length !== other * 1000) problems.push(`object of ${other}`);
});
const given = await broadcastObject(group, rank === 1 ? { list: [1, null, NaN] } : undefined, 1);
if (given?.list.length !== 3 || !Number.isNaN(given.list[2])) problems.push("broadcast object");

process.stdout.write(`${JSON.stringify({ rank, size, checks, problems })}\n`);
