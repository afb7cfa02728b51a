/** The server under load: right and malformed requests and clients that go away, its memory, and SIGTERM in the midst. */
import { Pool } from "undici";
import { quantile } from "./measure.js";
import { askAll, askPicture, CONNECTIONS, leaveMidway } from "./serve_clients.js";
import { malformedRequests } from "./serve_malformed.js";
import { startServe, type OfBoth } from "./serve_process.js";

/** Of the requests, one in so many is malformed, and of the clients one in so many goes away midway. */
const MALFORMED_EVERY = 10;
const KILLED_EVERY = 97;
/** Scores of one input differ in the last bits with the batch that it is in. */
const TOLERANCE = 1e-4;
const WARM_UP = 1500;

export interface Prediction {
  label: string;
  score: number;
}

/** What a model is asked, and what it has to answer. */
export interface Questions {
  model: string;
  pictures: readonly Buffer[];
  expected: readonly Prediction[];
}

export async function load(
  { model, pictures, expected }: Questions,
  requests: number,
): Promise<Record<string, unknown>> {
  const served = await startServe(model);
  const pool = new Pool(served.url, { connections: CONNECTIONS });
  const pictureOf = (index: number): Buffer => pictures[index % pictures.length]!;
  const malformed = await malformedRequests(pictures[0]!);
  const counts = { right: 0, wrong: 0, refusedRightly: 0, refusedWrongly: 0, killed: 0 };
  const wrong = new Set<string>();
  const times: number[] = [];

  const refuse = async (number: number): Promise<void> => {
    const { what, status, send } = malformed[number % malformed.length]!;
    const got = await send(pool, served.url);
    if (got === status) counts.refusedRightly++;
    else {
      counts.refusedWrongly++;
      wrong.add(`${what}: ${got}, not ${status}`);
    }
  };
  const answer = async (index: number): Promise<void> => {
    const begin = performance.now();
    const { statusCode, body } = await askPicture(pool, pictureOf(index));
    const { prediction } = (await body.json()) as { prediction?: Prediction };
    times.push(performance.now() - begin);
    const { label, score } = expected[index % pictures.length]!;
    const isClose = prediction !== undefined && Math.abs(prediction.score - score) < TOLERANCE;
    if (statusCode === 200 && isClose && prediction.label === label) counts.right++;
    else {
      counts.wrong++;
      wrong.add(`a picture: ${statusCode} ${JSON.stringify(prediction)}`);
    }
  };
  const ask = async (index: number): Promise<void> => {
    if (index % MALFORMED_EVERY === 0) return refuse(index / MALFORMED_EVERY);
    if (index % KILLED_EVERY !== 0) return answer(index);
    await leaveMidway(served.url, pictureOf(index), counts.killed++);
  };

  await askAll(Math.min(WARM_UP, requests), ask);
  for (const key of Object.keys(counts) as (keyof typeof counts)[]) counts[key] = 0;
  times.length = 0;
  const [memory, cpu, begin] = [[served.residentMb()], served.cpuMs(), performance.now()];
  const sampleEvery = Math.ceil(requests / 10);
  await askAll(requests, async (index) => {
    await ask(index);
    if (index % sampleEvery === sampleEvery - 1) memory.push(served.residentMb());
  });
  const seconds = (performance.now() - begin) / 1000;
  const used = served.cpuMs();
  await pool.close();
  await served.end();
  const ms = (share: number): number => Number(quantile(times, share).toFixed(1));
  const each = (kind: keyof OfBoth): number => Number(((used[kind] - cpu[kind]) / requests).toFixed(2));
  return {
    requests,
    ...counts,
    wrongOnes: [...wrong].join("; "),
    seconds: Number(seconds.toFixed(1)),
    p50Ms: ms(0.5),
    p99Ms: ms(0.99),
    cpuMsPerRequest: { server: each("server"), model: each("model") },
    residentMb: { server: memory.map(({ server }) => server), model: memory.map(({ model }) => model) },
  };
}

/** What becomes of requests when the server is told to end among them. */
export async function endUnderLoad({
  model,
  pictures,
}: Pick<Questions, "model" | "pictures">): Promise<Record<string, unknown>> {
  const { child, url } = await startServe(model);
  const counts = { answered: 0, refused503: 0, notConnected: 0, lost: 0 };
  const pool = new Pool(url, { connections: CONNECTIONS });
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const faults = new Set<string>();
  let isOver = false;
  setTimeout(() => child.kill("SIGTERM"), 3000);
  await askAll(1e6, async (index) => {
    if (isOver) return;
    try {
      const { statusCode, body } = await askPicture(pool, pictures[index % pictures.length]!);
      await body.dump();
      if (statusCode === 200) counts.answered++;
      else if (statusCode === 503) counts.refused503++;
      else {
        counts.lost++;
        faults.add(String(statusCode));
      }
    } catch (error) {
      isOver = true;
      const { code = String(error) } = error as NodeJS.ErrnoException;
      // Nothing was sent.
      if (code === "ECONNREFUSED") counts.notConnected++;
      else {
        counts.lost++;
        faults.add(code);
      }
    }
  });
  await pool.destroy();
  return { ...counts, faults: [...faults].join(", "), exitCode: await exited };
}
