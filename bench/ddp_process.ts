/** One measurement of `bench ddp`: `ddp_process.ts alone|local|mpi|tcp all-reduce|train|weights [MODEL]`; rank 0 prints one JSON object. */
import {
  AdamW,
  ArrayDataset,
  DataLoader,
  engine,
  Generator,
  HostTensor,
  LightningModule,
  Linear,
  mseLoss,
  Relu,
  seedEverything,
  Sequential,
  Trainer,
  type tf,
} from "kindling";
import {
  detectClusterEnvironment,
  joinProcessGroup,
  type ProcessGroup,
} from "#kindling/distributed/index.js";
import { buildModel, type BenchModel, type Inputs } from "./models.js";
import { median } from "./measure.js";

const [how, what, model] = process.argv.slice(2) as [string, string, string | undefined];
const ranks = how === "alone" ? 1 : 2;
const FLOATS = 2 ** 24;
const STEPS = 60;
const BLOCK = 5;
const WARMUP = 10;

if (what === "all-reduce") await allReduce();
else if (what === "train") await train(model!);
else await weights();

async function allReduce(): Promise<void> {
  const { group } = await joinProcessGroup(detectClusterEnvironment(), ranks);
  const best = (array: Float32Array, count: number) => {
    let least = Infinity;
    for (let i = 0; i < count; i++) {
      group.barrier().wait();
      const start = performance.now();
      group.allReduce(array).wait();
      least = Math.min(least, performance.now() - start);
    }
    return least;
  };
  const array = group.allocate(FLOATS);
  const large = best(array, 20);
  const small = best(array.subarray(0, 1).slice(), 1000);
  const copy = new Float32Array(FLOATS);
  const copies = Array.from({ length: 10 }, () => {
    const start = performance.now();
    copy.set(array);
    return performance.now() - start;
  });
  print(group.rank, {
    gigabytesPerSecond: (FLOATS * 4) / large / 1e6,
    smallMicroseconds: small * 1000,
    copyGigabytesPerSecond: (FLOATS * 4) / Math.min(...copies) / 1e6,
  });
}

async function train(name: string): Promise<void> {
  await engine.use({ accelerator: "cpu", threads: 1 });
  seedEverything(0);
  const { module, batch, loss } = buildModel(name);
  const times: number[] = [];
  class Benchmarked extends LightningModule<Inputs, tf.Tensor> {
    network: BenchModel["module"] = module;

    forward(inputs: Inputs): tf.Tensor {
      return this.network.forward(inputs);
    }

    override trainingStep(): tf.Scalar {
      const inputs = batch();
      return loss(this.forward(inputs), inputs);
    }

    override onTrainBatchEnd(): void {
      times.push(performance.now());
    }

    override configureOptimizers(): AdamW {
      return new AdamW(this.parameters(), { lr: 1e-4 });
    }
  }
  const batches = Array.from({ length: STEPS * ranks }, (_, i) => i);
  const trainer = new Trainer({ devices: ranks, maxEpochs: 1, barebones: true });
  // Block by block, so that what else the machine does meets both alike.
  const isShared = (step: number) => Math.floor(step / BLOCK) % 2 === 0;
  const sharing = ranks > 1 ? measureSharing(trainer, isShared) : {};
  await trainer.fit(new Benchmarked(), { train: batches });
  const stepsThat = (isWanted: (step: number) => boolean) =>
    times.flatMap((time, step) =>
      step >= WARMUP && step % BLOCK > 0 && isWanted(step) ? [time - times[step - 1]!] : [],
    );
  const stepMs = median(stepsThat((step) => ranks === 1 || isShared(step)));
  const inputs = batch();
  const [samples = 0] = inputs.x.shape;
  const several = {
    apartMs: median(stepsThat((step) => !isShared(step))),
    sharing: Object.fromEntries(Object.entries(sharing).map(([part, list]) => [part, median(list)])),
  };
  print(trainer.strategy.globalRank, {
    stepMs,
    samplesPerSecond: (ranks * samples * 1000) / stepMs,
    ...(ranks > 1 && several),
  });
}

/**
 * Milliseconds of each step that go into sharing gradients: reading them once they are computed, waiting for the other rank,
 * reducing, and bringing them to the optimizer.
 */
function measureSharing({ strategy }: Trainer, isShared: (step: number) => boolean) {
  const parts = { reading: [], waiting: [], reducing: [], writing: [] } as Record<string, number[]>;
  const shared = strategy as unknown as {
    processGroup: ProcessGroup;
    reduceGradients: (parameters: unknown) => void;
  };
  const reduceGradients = shared.reduceGradients.bind(strategy);
  let step = 0;
  shared.reduceGradients = (parameters) => {
    if (!isShared(step++)) return;
    const group = shared.processGroup;
    const allReduce = group.allReduce.bind(group);
    const computedBefore = engine.stats().runMs;
    const stamps = [performance.now()];
    const stamp = () => stamps.push(performance.now());
    group.allReduce = (array, op) => {
      stamps[0]! += engine.stats().runMs - computedBefore;
      stamp();
      group.barrier().wait();
      stamp();
      const work = allReduce(array, op);
      work.wait();
      stamp();
      return work;
    };
    try {
      reduceGradients(parameters);
    } finally {
      Reflect.deleteProperty(group, "allReduce");
    }
    stamp();
    Object.keys(parts).forEach((part, i) => parts[part]!.push(stamps[i + 1]! - stamps[i]!));
  };
  return parts;
}

/** Weights after 50 steps on the same samples for any number of ranks. */
async function weights(): Promise<void> {
  seedEverything(7);
  const random = new Generator(1);
  const samples = Array.from({ length: 256 }, () => {
    const input = Float32Array.from({ length: 6 }, () => random.normal());
    return {
      input: new HostTensor(input, [6]),
      target: new HostTensor(Float32Array.of(input[0]! * input[1]!), [1]),
    };
  });
  class Regression extends LightningModule {
    network = new Sequential(new Linear(6, 32), new Relu(), new Linear(32, 1));

    forward(input: tf.Tensor): tf.Tensor {
      return this.network.forward(input);
    }

    override trainingStep({ input, target }: { input: tf.Tensor; target: tf.Tensor }): tf.Scalar {
      return mseLoss(this.forward(input), target);
    }

    override configureOptimizers(): AdamW {
      return new AdamW(this.parameters(), { lr: 1e-2 });
    }
  }
  const module = new Regression();
  const trainer = new Trainer({ devices: ranks, maxSteps: 50, barebones: true });
  const loader = new DataLoader(new ArrayDataset(samples), { batchSize: 32 / ranks, shuffle: true });
  await trainer.fit(module, { train: loader });
  const values = await Promise.all(module.parameters().map((parameter) => parameter.data()));
  print(trainer.strategy.globalRank, { weights: values.flatMap((value) => [...value]) });
}

function print(rank: number, result: unknown): void {
  if (rank === 0) console.log(JSON.stringify(result));
}
