/** What the server says of itself: measurements, and its description in OpenAPI. */
import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, it } from "vitest";
import { optionTables } from "../../src/catalog/option_tables.js";
import { createHandler, type ModelInfo, type Predictor } from "../../src/serve/index.js";

const known = (info: ModelInfo): Predictor => ({
  info,
  predict: async (inputs) => inputs.map(() => ({ prediction: "known" })),
  close: async () => undefined,
});
const predictors = new Map([
  ["mood", known({ task: "TextClassifier", inputs: "texts", labels: ["+", "-"] })],
  ["my photos", known({ task: "ObjectDetector", inputs: "pictures", labels: ["cat"] })],
  ["speech", known({ task: "SpeechRecognizer", inputs: "sounds" })],
  ["names", known({ task: "TokenClassifier", inputs: "texts", labels: ["PER"] })],
]);

const ask = (path: string) => new Request(`http://localhost${path}`);
const post = (path: string, body: string) =>
  new Request(`http://localhost${path}`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json" },
  });

describe("/openapi.json", () => {
  it.each([undefined, "secret"])(
    "is valid, and has the models with their options (token %s)",
    async (token) => {
      const handler = createHandler(predictors, token === undefined ? {} : { token });
      const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const response = await handler.fetch(new Request("http://localhost/openapi.json", { headers }));
      const description = (await response.json()) as Record<string, never>;
      const { valid, errors } = await new Validator().validate(structuredClone(description));
      expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
      expect(description.openapi).toMatch(/^3\.1\./);
      expect(description).toHaveProperty(["paths", "/models/my%20photos/predict", "post"]);
      const names = (
        description as Record<string, Record<string, Record<string, { parameters: { name: string }[] }>>>
      ).paths!["/models/speech/predict"]!.post!.parameters.map(({ name }) => name);
      const own = ["maxBytes", "maxDecodedSeconds", "timeoutSeconds"];
      const expected = optionTables.TranscriptionOptions.map(({ name }) => name);
      expect(names).toEqual(expected.filter((name) => !own.includes(name)));
    },
  );
});

describe("/metrics", () => {
  it("counts requests by model and status, and what ran together", async () => {
    const handler = createHandler(predictors);
    await handler.fetch(post("/predict", '{"inputs":["a","b","c"]}'));
    await handler.fetch(post("/predict", "{"));
    await handler.fetch(post("/models/nobody/predict", "{}"));
    const response = await handler.fetch(ask("/metrics"));
    expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
    const lines = (await response.text()).split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        'kindling_requests_total{model="mood",status="200"} 1',
        'kindling_requests_total{model="mood",status="400"} 1',
        'kindling_requests_total{model="unknown",status="404"} 1',
        'kindling_model_restarts_total{model="mood"} 0',
        'kindling_batch_inputs_sum{model="mood"} 3',
        'kindling_batch_inputs_count{model="mood"} 1',
        'kindling_request_seconds_count{model="mood"} 2',
        'kindling_queue_inputs{model="mood"} 0',
      ]),
    );
    expect(lines.some((line) => line.startsWith("process_resident_memory_bytes"))).toBe(true);
  });

  it("of one handler say nothing of another", async () => {
    const handlers = [createHandler(predictors), createHandler(predictors)];
    await handlers[0]!.fetch(post("/predict", '{"input":"a"}'));
    const [first, second] = await Promise.all(
      handlers.map(async (handler) => (await handler.fetch(ask("/metrics"))).text()),
    );
    expect(first).toContain("kindling_requests_total{");
    expect(second).not.toContain("kindling_requests_total{");
  });
});
