/** WandbLogger: offline files byte by byte those of wandb's own writer; online against a server like W&B's, as its client sees it. */
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PbfReader } from "pbf";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import "../support/backend.js";
import { Trainer, WandbLogger } from "../../src/core/index.js";
import {
  encodeRecord,
  FILE_HEADER,
  frame,
  type WandbRecord,
} from "../../src/core/loggers/wandb/transaction_log.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

const golden = JSON.parse(readFileSync(join(import.meta.dirname, "../golden/wandb.json"), "utf8")) as {
  start: number;
  bytes: number;
  sha256: string;
  beginning: string;
};

describe("the offline file", () => {
  it("is byte by byte what wandb's own writer writes", () => {
    const run = {
      id: "abc12345",
      entity: "team",
      project: "größe",
      group: "group",
      displayName: "first",
      notes: "a note",
      tags: ["x", "y"],
      startTime: golden.start,
    };
    const records: WandbRecord[] = [
      { run, config: { lr: 0.1, model: { depth: 3 } } },
      { config: { later: "text" } },
      ...[3, 20000, 20000, 70000, 25470, 5].map((length, step) => ({
        history: { ["n".repeat(length)]: 0.5, bad: NaN, worse: -Infinity, _step: step },
        step,
      })),
      { summary: { loss: 0.25 } },
      { exitCode: 1, runtime: 12.9 },
    ];
    let file = Buffer.from(FILE_HEADER);
    records.forEach((record, i) => {
      file = Buffer.concat([file, frame(encodeRecord(i + 1, record), file.length)]);
    });
    expect(file.subarray(0, 400).toString("hex")).toBe(
      Buffer.from(golden.beginning, "base64").toString("hex"),
    );
    expect(file).toHaveLength(golden.bytes);
    expect(createHash("sha256").update(file).digest("hex")).toBe(golden.sha256);
  });
});

const fit = (logger: WandbLogger, model = new BoringModel()) =>
  new Trainer({ maxEpochs: 1, logger, enableProgressBar: false, logEveryNSteps: 1 }).fit(model, {
    train: boringBatches(2),
  });

describe("WandbLogger offline", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "kindling-wandb-"));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  /** The numbers of the fields that the records of a file have, besides `num`. None is longer than a block here. */
  function kindsIn(path: string): number[] {
    const bytes = readFileSync(path);
    const kinds: number[] = [];
    for (let at = FILE_HEADER.length; at < bytes.length; at += 7 + bytes.readUInt16LE(at + 4)) {
      const data = bytes.subarray(at + 7, at + 7 + bytes.readUInt16LE(at + 4));
      new PbfReader(data).readFields((field) => field > 1 && kinds.push(field), null);
    }
    return kinds;
  }

  it("writes run, history, summary and exit of each fit to a folder of its own", async () => {
    const logger = new WandbLogger({ offline: true, saveDir: folder, project: "boring", prefix: "a" });
    const ids = [logger.version];
    await fit(logger);
    ids.push(logger.version);
    const failing = new BoringModel();
    failing.onTrainEpochEnd = () => {
      throw new Error("on purpose");
    };
    await expect(fit(logger, failing)).rejects.toThrow("on purpose");
    const runs = readdirSync(join(folder, "wandb")).sort();
    expect(runs).toHaveLength(2);
    for (const id of ids) {
      expect(id).toMatch(/^[a-z0-9]{8}$/);
      const run = runs.find((name) => name.endsWith(id))!;
      expect(run).toMatch(/^offline-run-\d{8}_\d{6}-[a-z0-9]{8}$/);
      // run, two rows, summary, exit
      expect(kindsIn(join(folder, "wandb", run, `run-${id}.wandb`))).toEqual([17, 2, 2, 3, 18]);
    }
    expect(new Set(ids).size).toBe(2);
    expect(logger.name).toBe("boring");
  });
});

describe("WandbLogger online", () => {
  interface Request {
    url: string;
    login: string;
    body: Record<string, unknown>;
  }
  let server: Server;
  let requests: Request[];
  let lines: string[];
  /** How many of the coming requests are answered with status 500. */
  let failures: number;
  let status: number;

  beforeEach(async () => {
    [requests, lines, failures, status] = [[], [], 0, 200];
    server = createServer((request, response) => {
      let text = "";
      request.on("data", (chunk: Buffer) => (text += chunk.toString()));
      request.on("end", () => {
        const body = JSON.parse(text) as Record<string, unknown>;
        requests.push({ url: request.url!, login: request.headers.authorization ?? "", body });
        if (failures > 0) {
          failures--;
          response.writeHead(500).end();
          return;
        }
        response
          .writeHead(status)
          .end(JSON.stringify(status === 200 ? answer(request.url!, body) : { error: "no" }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  function answer(url: string, body: Record<string, unknown>): object {
    if (url === "/graphql") {
      const { name, project } = body.variables as { name: string; project: string };
      if (project === "secret") return { errors: [{ message: "permission denied" }], data: null };
      const bucket = {
        name,
        historyLineCount: lines.length,
        project: { name: project, entity: { name: "my team" } },
      };
      return { data: { upsertBucket: { bucket, inserted: true } } };
    }
    const files = body.files as Record<string, { offset: number; content: string[] }> | undefined;
    const history = files?.["wandb-history.jsonl"];
    if (history !== undefined) lines.splice(history.offset, Infinity, ...history.content);
    return {};
  }

  const loggerTo = (options: object = {}) =>
    new WandbLogger({
      apiKey: "k3y",
      baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      backoff: 0.001,
      maxRetries: 2,
      id: "run1",
      project: "boring",
      ...options,
    });

  it("makes the run, streams its rows and completes it", async () => {
    const model = new BoringModel();
    model.saveHyperparameters({ lr: 0.1, model: { depth: 3 } });
    await fit(loggerTo({ name: "first", tags: ["x"], prefix: "a" }), model);
    const [upsert] = requests;
    expect(upsert!.login).toBe(`Basic ${Buffer.from("api:k3y").toString("base64")}`);
    expect(upsert!.body.query).toContain("upsertBucket(input: {");
    expect(upsert!.body.variables).toMatchObject({
      name: "run1",
      project: "boring",
      displayName: "first",
      tags: ["x"],
      config: '{"lr":{"value":0.1},"model":{"value":{"depth":3}}}',
    });
    const streamed = requests.slice(1);
    expect(new Set(streamed.map(({ url }) => url))).toEqual(
      new Set(["/files/my%20team/boring/run1/file_stream"]),
    );
    expect(streamed.at(-1)!.body).toEqual({ complete: true, exitcode: 0 });
    const rows = lines.map((line) => JSON.parse(line) as Record<string, number>);
    expect(rows).toMatchObject([
      { "a-epoch": 0, "trainer/global_step": 0, _step: 0 },
      { "a-epoch": 0, "trainer/global_step": 1, _step: 1 },
    ]);
    expect(rows[1]!["a-train_loss"]).toBeGreaterThan(0);
    expect(rows[1]!._runtime).toBeGreaterThanOrEqual(0);
    const files = streamed.at(-2)!.body.files as Record<string, { content: string[] }>;
    expect(JSON.parse(files["wandb-summary.json"]!.content[0]!)).toEqual(rows[1]);
  });

  it("goes on with a run that exists, behind its rows, and writes numbers that JSON lacks as W&B does", async () => {
    lines = ["{}", "{}"];
    const logger = loggerTo();
    await logger.logMetrics({ bad: NaN, worse: -Infinity }, 9);
    await logger.finalize("failed");
    expect(lines.slice(0, 2)).toEqual(["{}", "{}"]);
    expect(lines[2]).toMatch(/^\{"bad":NaN,"worse":-Infinity,"trainer\/global_step":9,.*"_step":2\}$/);
    expect(requests.at(-1)!.body).toEqual({ complete: true, exitcode: 1 });
  });

  it("keeps rows while the connection is lost, and says what is missing at the end", async () => {
    const logger = loggerTo();
    await logger.logMetrics({ x: 1 }, 0);
    await logger.save();
    failures = 3;
    await logger.logMetrics({ x: 2 }, 1);
    await logger.logMetrics({ x: 3 }, 2);
    await expect(logger.save()).rejects.toThrow("in 3 tries: it answered with status 500. Check the address");
    await logger.logMetrics({ x: 4 }, 3);
    failures = 1;
    await logger.save();
    expect(lines.map((line) => (JSON.parse(line) as { x: number }).x)).toEqual([1, 2, 3, 4]);
    failures = 100;
    await logger.logMetrics({ x: 5 }, 4);
    await expect(logger.finalize("success")).rejects.toThrow("The last row logged is not there.");
  });

  it("says what the server refuses, and that a key is missing", async () => {
    await expect(loggerTo({ project: "secret" }).logHyperparams({})).rejects.toMatchObject({
      code: "ERR_LOGGER_REFUSED",
      message: "Weights & Biases refused the run: permission denied.",
    });
    status = 401;
    await expect(loggerTo().logHyperparams({})).rejects.toThrow(
      "refused the run: status 401, no. Check the API key.",
    );
    vi.stubEnv("WANDB_API_KEY", "");
    expect(() => new WandbLogger()).toThrow("WandbLogger has no API key. Set WANDB_API_KEY or pass apiKey");
    vi.unstubAllEnvs();
  });
});
