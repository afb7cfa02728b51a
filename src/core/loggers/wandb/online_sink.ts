/**
 * Sends a run to a W&B server as W&B's own clients do (https://github.com/wandb/wandb, core/internal): the GraphQL mutation
 * `upsertBucket` makes the run, and its file stream takes lines of history.
 */
import { LoggerError } from "../../../errors.js";
import { toJson } from "../../json.js";
import type { MetricRecord } from "../../types.js";
import { requestJson, type RetryOptions } from "../remote/request.js";
import { SendQueue } from "../remote/send_queue.js";
import { historyLine, type HistoryRow, type WandbRun, type WandbSink } from "./run.js";

/** A server takes a run that is silent for minutes for crashed. */
const HEARTBEAT_MS = 30_000;

const MAX_ROWS = 1000;

const UPSERT = `
mutation UpsertBucket($name: String, $project: String, $entity: String, $groupName: String, $displayName: String,
    $notes: String, $config: JSONString, $tags: [String!]) {
  upsertBucket(input: {name: $name, modelName: $project, entityName: $entity, groupName: $groupName,
      displayName: $displayName, notes: $notes, config: $config, tags: $tags}) {
    bucket { id name displayName historyLineCount project { name entity { name } } }
    inserted
  }
}`;

interface Bucket {
  name: string;
  historyLineCount: number | null;
  project: { name: string; entity: { name: string } };
}

export interface OnlineOptions extends RetryOptions {
  baseUrl: string;
  apiKey: string;
}

export class OnlineSink implements WandbSink {
  readonly #run: WandbRun;
  readonly #options: OnlineOptions;
  readonly #queue: SendQueue<HistoryRow>;
  #streamUrl = "";
  /** Lines that the server has. */
  #sent = 0;
  #nextStep = 0;
  #summary: MetricRecord = {};
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(run: WandbRun, options: OnlineOptions) {
    this.#run = run;
    this.#options = options;
    this.#queue = new SendQueue((rows) => this.#sendRows(rows), MAX_ROWS);
  }

  get nextStep(): number {
    return this.#nextStep;
  }

  async start(config: Readonly<Record<string, unknown>>): Promise<void> {
    const { name, project, historyLineCount } = await this.#upsert(config);
    const path = [project.entity.name, project.name, name].map(encodeURIComponent).join("/");
    this.#streamUrl = `${this.#options.baseUrl}/files/${path}/file_stream`;
    this.#sent = this.#nextStep = historyLineCount ?? 0;
    this.#heartbeat = setInterval(() => void this.#stream({}).catch(() => undefined), HEARTBEAT_MS).unref();
  }

  async updateConfig(config: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#upsert(config);
  }

  add(row: HistoryRow): Promise<void> {
    this.#queue.add(row);
    this.#nextStep++;
    return Promise.resolve();
  }

  async flush(): Promise<void> {
    await this.#queue.flush();
  }

  async finish(exitCode: number): Promise<void> {
    clearInterval(this.#heartbeat);
    await this.flush();
    await this.#stream({ complete: true, exitcode: exitCode });
  }

  async #sendRows(rows: readonly HistoryRow[]): Promise<void> {
    const summary = Object.assign({}, this.#summary, ...rows) as MetricRecord;
    await this.#stream({
      files: {
        "wandb-history.jsonl": { offset: this.#sent, content: rows.map(historyLine) },
        "wandb-summary.json": { offset: 0, content: [historyLine(summary)] },
      },
    });
    this.#sent += rows.length;
    this.#summary = summary;
  }

  async #upsert(config: Readonly<Record<string, unknown>>): Promise<Bucket> {
    const { id, project, entity, displayName, group, notes, tags } = this.#run;
    const values = Object.entries(config).map(([key, value]) => [key, { value }] as const);
    const variables = {
      name: id,
      project,
      entity,
      groupName: group,
      displayName,
      notes,
      tags,
      config: toJson(Object.fromEntries(values)),
    };
    const answer = await this.#post(`${this.#options.baseUrl}/graphql`, { query: UPSERT, variables });
    const errors = answer.errors as { message: string }[] | undefined;
    const bucket = (answer.data as { upsertBucket?: { bucket?: Bucket } } | undefined)?.upsertBucket?.bucket;
    if (bucket !== undefined && (errors === undefined || errors.length === 0)) return bucket;
    throw refusal(errors?.map(({ message }) => message).join("; ") ?? "the answer holds no run");
  }

  async #stream(body: object): Promise<void> {
    await this.#post(this.#streamUrl, body);
  }

  async #post(url: string, body: object): Promise<Record<string, unknown>> {
    const login = Buffer.from(`api:${this.#options.apiKey}`).toString("base64");
    const headers = { Authorization: `Basic ${login}` };
    const { status, body: answer } = await requestJson({ method: "POST", url, headers, body }, this.#options);
    if (status < 400) return answer;
    const reason = typeof answer.error === "string" ? answer.error : toJson(answer);
    throw refusal(`status ${status}, ${reason}${status === 401 ? ". Check the API key" : ""}`);
  }
}

function refusal(reason: string): LoggerError {
  return new LoggerError("ERR_LOGGER_REFUSED", `Weights & Biases refused the run: ${reason}.`);
}
