/** Inputs a second with batches, without, and of loops around ONNX Runtime that do the same work with no server. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import sharp from "sharp";
import { Pool } from "undici";
import { median } from "./measure.js";
import { askAll, askPicture, CONNECTIONS } from "./serve_clients.js";
import { startServe } from "./serve_process.js";

const ROUNDS = 3;
/** Of the rounds that warm up and those that count. */
const INPUTS = 640;
const WARM_UP_INPUTS = 1280;
const BATCH_SIZE = 32;

export interface ThroughputSubjects {
  model: string;
  onnx: string;
  size: number;
  pictures: readonly Buffer[];
}

interface Contender {
  name: string;
  run: (inputs: number) => Promise<void>;
  /** Time on processors of each process that takes part, since its start, in milliseconds. */
  cpuMs: () => Record<string, number>;
}

/** The contenders take turns, so that what else the machine does meets all of them. */
export async function throughput(subjects: ThroughputSubjects): Promise<Record<string, unknown>> {
  const servers = await Promise.all([
    serverOf("batched", subjects, []),
    serverOf("unbatched", subjects, ["--max-batch-size", "1", "--max-wait-ms", "0"]),
  ]);
  const contenders: Contender[] = [...servers, ...(await loops(subjects))];
  const rates = new Map<string, number[]>();
  const cpu = new Map<string, Record<string, number>>();
  for (const { run } of contenders) await run(WARM_UP_INPUTS);
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, run, cpuMs } of contenders) {
      const [before, begin] = [cpuMs(), performance.now()];
      await run(INPUTS);
      const seconds = (performance.now() - begin) / 1000;
      const after = cpuMs();
      rates.set(name, [...(rates.get(name) ?? []), INPUTS / seconds]);
      const sum = cpu.get(name) ?? {};
      for (const [part, ms] of Object.entries(after)) sum[part] = (sum[part] ?? 0) + ms - before[part]!;
      cpu.set(name, sum);
    }
  }
  await Promise.all(servers.map(({ end }) => end()));
  const share = (ms: number): number => Number((ms / (ROUNDS * INPUTS)).toFixed(2));
  return {
    inputsPerSecond: Object.fromEntries([...rates].map(([name, all]) => [name, Math.round(median(all))])),
    cpuMsPerInput: Object.fromEntries(
      [...cpu].map(([name, sums]) => [
        name,
        Object.fromEntries(Object.entries(sums).map(([part, ms]) => [part, share(ms)])),
      ]),
    ),
  };
}

const ownCpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

async function serverOf(
  name: string,
  { model, pictures }: ThroughputSubjects,
  flags: readonly string[],
): Promise<Contender & { end: () => Promise<void> }> {
  const { url, cpuMs, end } = await startServe(model, flags);
  const pool = new Pool(url, { connections: CONNECTIONS });
  const ask = async (index: number): Promise<void> => {
    const { statusCode, body } = await askPicture(pool, pictures[index % pictures.length]!);
    await body.dump();
    if (statusCode !== 200) throw new Error(`${name}: ${statusCode}`);
  };
  return {
    name,
    run: (inputs) => askAll(inputs, ask),
    cpuMs: () => ({ ...cpuMs(), clients: ownCpuMs() }),
    end: async () => {
      await pool.close();
      await end();
    },
  };
}

async function loops({ onnx, size, pictures }: ThroughputSubjects): Promise<Contender[]> {
  const session = await InferenceSession.create(onnx);
  const decode = (index: number): Promise<Buffer> =>
    sharp(pictures[index % pictures.length])
      .removeAlpha()
      .raw()
      .toBuffer();
  const ready = await Promise.all(pictures.map((_, index) => decode(index)));
  const predict = async (pixels: readonly Buffer[]): Promise<void> => {
    const data = new Uint8Array(Buffer.concat(pixels));
    await session.run({ pixels: new Tensor("uint8", data, [pixels.length, size, size, 3]) });
  };
  const loop = (name: string, run: Contender["run"]): Contender => ({
    name,
    run,
    cpuMs: () => ({ loop: ownCpuMs() }),
  });
  return [
    loop("loopFromReadyArrays", async (inputs) => {
      for (let i = 0; i < inputs; i++) await predict([ready[i % ready.length]!]);
    }),
    loop("loopThatDecodes", async (inputs) => {
      for (let i = 0; i < inputs; i++) await predict([await decode(i)]);
    }),
    loop("loopThatDecodesBatches", async (inputs) => {
      for (let i = 0; i < inputs; i += BATCH_SIZE) {
        await predict(await Promise.all(Array.from({ length: BATCH_SIZE }, (_, k) => decode(i + k))));
      }
    }),
  ];
}
