/** Models that are lost come back, and requests that were or would be lost with them are told. */
import { describe, expect, it, vi } from "vitest";
import { createHandler } from "../../src/serve/index.js";
import { keepPredictor } from "../../src/serve/keep_predictor.js";
import { ModelLostError, type StartedPredictor } from "../../src/serve/predictor.js";

interface Process extends StartedPredictor {
  /** Ends it, as a crash would. */
  crash: () => void;
}

/** A process that answers with its number, or never. */
function startProcess(number: number, answers = true): Process {
  let crash!: () => void;
  const lost = new Promise<void>((resolve) => (crash = resolve));
  const failed = lost.then(() => {
    throw new ModelLostError("ERR_MODEL_LOST", "lost");
  });
  failed.catch(() => undefined);
  return {
    info: { task: "TextClassifier", inputs: "texts" },
    lost,
    crash,
    predict: (inputs) => (answers ? Promise.resolve(inputs.map(() => ({ prediction: number }))) : failed),
    close: async () => crash(),
  };
}

/** @param gate what every start but the first waits for */
async function keep(
  answers: (number: number) => boolean = () => true,
  { maxRunSeconds = 10, gate = Promise.resolve() }: { maxRunSeconds?: number; gate?: Promise<void> } = {},
) {
  const processes: Process[] = [];
  const start = vi.fn(async () => {
    if (processes.length > 0) await gate;
    const started = startProcess(processes.length, answers(processes.length));
    processes.push(started);
    return started;
  });
  return { processes, start, kept: await keepPredictor(start, { maxRunSeconds }) };
}

const request = () =>
  new Request("http://localhost/predict", {
    method: "POST",
    body: '{"input":"a"}',
    headers: { "content-type": "application/json" },
  });

describe("keepPredictor", () => {
  it("starts a lost process again; meanwhile requests get 503 with Retry-After", async () => {
    let letStart!: () => void;
    const gate = new Promise<void>((resolve) => (letStart = resolve));
    const { processes, kept } = await keep((number) => number > 0, { gate });
    const predict = vi.spyOn(processes[0]!, "predict");
    const handler = createHandler(new Map([["model", kept]]));
    const asked = handler.fetch(request());
    await vi.waitFor(() => expect(predict).toHaveBeenCalled());
    processes[0]!.crash();
    const lost = await asked;
    expect([lost.status, lost.headers.get("retry-after")]).toEqual([503, "1"]);
    const between = await handler.fetch(request());
    expect(await between.json()).toMatchObject({ error: { code: "ERR_MODEL_LOST" } });
    expect((await handler.fetch(new Request("http://localhost/ready"))).status).toBe(503);
    letStart();
    await vi.waitFor(() => expect(kept.isReady).toBe(true));
    expect(await (await handler.fetch(request())).json()).toEqual({ model: "model", prediction: 1 });
    expect((await handler.fetch(new Request("http://localhost/ready"))).status).toBe(200);
    const metrics = await (await handler.fetch(new Request("http://localhost/metrics"))).text();
    expect(metrics).toContain('kindling_model_restarts_total{model="model"} 1\n');
    await kept.close();
  });

  it("waits longer each time it is lost", async () => {
    const { processes, kept, start } = await keep();
    const times = [performance.now()];
    for (let i = 0; i < 3; i++) {
      processes.at(-1)!.crash();
      await vi.waitFor(() => expect(start).toHaveBeenCalledTimes(i + 2), { timeout: 5000, interval: 5 });
      times.push(performance.now());
      await vi.waitFor(() => expect(kept.isReady).toBe(true));
    }
    expect(times[3]! - times[2]!).toBeGreaterThan(0.39 * 1000);
    expect(times[2]! - times[1]!).toBeGreaterThan(0.19 * 1000);
    await kept.close();
  });

  it("ends a process that does not answer", async () => {
    const { kept, processes } = await keep((number) => number > 0, { maxRunSeconds: 0.1 });
    await expect(kept.predict(["a"], {})).rejects.toThrow(ModelLostError);
    await vi.waitFor(() => expect(kept.isReady).toBe(true), { timeout: 5000 });
    expect(processes).toHaveLength(2);
    expect(await kept.predict(["a"], {})).toEqual([{ prediction: 1 }]);
    await kept.close();
  });

  it("starts nothing after its end", async () => {
    const { kept, processes, start } = await keep();
    processes[0]!.crash();
    await kept.close();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(start).toHaveBeenCalledTimes(1);
  });
});

it("answers 429 with Retry-After where too many wait", async () => {
  const never = startProcess(0, false);
  const handler = createHandler(new Map([["model", never]]), { maxQueue: 2, maxBatchSize: 1, maxWaitMs: 0 });
  const asked = Array.from({ length: 5 }, async () => handler.fetch(request()));
  const refused = await Promise.race(asked);
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
  never.crash();
  const statuses = (await Promise.all(asked)).map(({ status }) => status);
  expect(statuses).toEqual([503, 503, 503, 503, 429]);
});
