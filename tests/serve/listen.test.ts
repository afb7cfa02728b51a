/** Clients that come and go: while the server ends, and before they have their answer. */
import { Client } from "undici";
import { expect, it, vi } from "vitest";
import { createHandler, type Predictor } from "../../src/serve/index.js";
import { listen } from "../../src/serve/listen.js";

/** A model that answers when it is told to. */
function manualPredictor(): Predictor & { answer: () => void; asked: number } {
  const open: (() => void)[] = [];
  return {
    info: { task: "TextClassifier", inputs: "texts" },
    asked: 0,
    predict(inputs) {
      this.asked++;
      return new Promise((resolve) => open.push(() => resolve(inputs.map(() => ({ prediction: "known" })))));
    },
    answer: () => {
      for (const resolve of open.splice(0)) resolve();
    },
    close: async () => undefined,
  };
}

const start = async (predictor: Predictor) => {
  const handler = createHandler(new Map([["model", predictor]]));
  const server = await listen(handler, { port: 0, hostname: "127.0.0.1", timeoutSeconds: 10 });
  return { handler, server };
};
const question = {
  path: "/predict",
  method: "POST",
  headers: { "content-type": "text/plain" },
  body: "a",
} as const;

it("a server that ends answers what it took, and refuses what comes over kept connections", async () => {
  const predictor = manualPredictor();
  const { server } = await start(predictor);
  const [busy, idle] = [new Client(server.url), new Client(server.url)];
  await (await idle.request({ path: "/health", method: "GET" })).body.dump();
  const taken = busy.request(question);
  await vi.waitFor(() => expect(predictor.asked).toBe(1));
  const closed = server.close();
  const refused = await idle.request(question);
  expect(refused.statusCode).toBe(503);
  expect(refused.headers).toMatchObject({ connection: "close", "retry-after": "1" });
  await refused.body.dump();
  predictor.answer();
  const answered = await taken;
  expect([answered.statusCode, answered.headers.connection]).toEqual([200, "close"]);
  expect(await answered.body.json()).toEqual({ model: "model", prediction: "known" });
  await closed;
  await expect(idle.request(question)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await Promise.all([busy.close(), idle.close()]);
});

it("a client that goes away is counted as such, and is no failure of the server", async () => {
  const warn = vi.spyOn(process, "emitWarning");
  const predictor = manualPredictor();
  const { handler, server } = await start(predictor);
  const client = new Client(server.url);
  const leaving = client.request(question);
  leaving.catch(() => undefined);
  await vi.waitFor(() => expect(predictor.asked).toBe(1));
  await client.destroy();
  await vi.waitFor(async () => {
    const metrics = await (await handler.fetch(new Request("http://localhost/metrics"))).text();
    expect(metrics).toContain('kindling_requests_total{model="model",status="499"} 1\n');
  });
  expect(warn).not.toHaveBeenCalled();
  predictor.answer();
  await server.close();
});
