/** What answers: a task in a thread of its own. */
import { Worker } from "node:worker_threads";
import type { Answer } from "../catalog/predict_each.js";
import { KindlingError } from "../errors.js";

/** What a server tells of a model. */
export interface ModelInfo {
  /** The class of the task. */
  task: string;
  inputs: "texts" | "pictures" | "sounds";
  labels?: readonly string[];
}

export type Input = string | Uint8Array;

/** Answers inputs in their order; rejects only where the model itself is lost. */
export interface Predictor {
  readonly info: ModelInfo;
  predict: (inputs: readonly Input[], options: Record<string, unknown>) => Promise<Answer[]>;
  close: () => Promise<void>;
}

/** What the thread is started with. */
export interface WorkerData {
  path: string;
  maxPixels: number;
  maxSeconds: number;
}

/** What is sent to the thread. */
export interface WorkerRequest {
  id: number;
  inputs: readonly Input[];
  options: Record<string, unknown>;
}

/** What the thread sends. */
export type WorkerMessage =
  | { kind: "ready"; info: ModelInfo }
  | { kind: "failed"; code: string; message: string }
  | { kind: "answers"; id: number; answers: Answer[] };

interface Waiting {
  resolve: (answers: Answer[]) => void;
  reject: (error: Error) => void;
}

/** The thread has ended; what it was answering is lost. */
export class ModelLostError extends KindlingError {}

/**
 * Loads a saved task in a thread of its own.
 *
 * @throws KindlingError as loading the task does
 */
export async function startPredictor(data: WorkerData): Promise<Predictor> {
  const source = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const worker = new Worker(new URL(`./predictor_thread.${source}`, import.meta.url), { workerData: data });
  const waiting = new Map<number, Waiting>();
  let lost: Error | undefined;
  let ids = 0;

  const lose = (error: Error): void => {
    lost ??= error;
    for (const { reject } of waiting.values()) reject(lost);
    waiting.clear();
  };
  const info = await new Promise<ModelInfo>((resolve, reject) => {
    worker.on("message", (message: WorkerMessage) => {
      if (message.kind === "ready") resolve(message.info);
      else if (message.kind === "failed") reject(new KindlingError(message.code, message.message));
      else {
        waiting.get(message.id)?.resolve(message.answers);
        waiting.delete(message.id);
      }
    });
    const fail = (reason: string, cause?: unknown): void => {
      const error = new ModelLostError("ERR_MODEL_LOST", `The thread of ${data.path} has ended: ${reason}`, {
        cause,
      });
      reject(error);
      lose(error);
    };
    worker.on("error", (error: Error) => fail(error.message, error));
    worker.on("exit", (code) => fail(`code ${code}.`));
  });

  return {
    info,
    predict: (inputs, options) =>
      new Promise((resolve, reject) => {
        if (lost !== undefined) return reject(lost);
        const id = ids++;
        waiting.set(id, { resolve, reject });
        worker.postMessage({ id, inputs, options } satisfies WorkerRequest);
      }),
    close: async () => {
      await worker.terminate();
    },
  };
}
