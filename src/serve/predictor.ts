/** What answers: a task in a process of its own, so that neither its work nor its end stops the server. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
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
  /** Whether it can answer now. Default: it can. */
  readonly isReady?: boolean;
  /** How often it was lost and started again. Default: 0. */
  readonly restarts?: number;
  predict: (inputs: readonly Input[], options: Record<string, unknown>) => Promise<Answer[]>;
  close: () => Promise<void>;
}

/** A predictor of one process. */
export interface StartedPredictor extends Predictor {
  /** Resolves when the process has ended, for whatever reason. */
  readonly lost: Promise<void>;
}

/** What the process is started with. */
export interface PredictorSetup {
  path: string;
  maxPixels: number;
  maxSeconds: number;
}

/** What is sent to the process. */
export interface PredictorRequest {
  id: number;
  inputs: readonly Input[];
  options: Record<string, unknown>;
}

/** What the process sends. */
export type PredictorMessage =
  | { kind: "ready"; info: ModelInfo }
  | { kind: "failed"; code: string; message: string }
  | { kind: "answers"; id: number; answers: Answer[] };

interface Waiting {
  resolve: (answers: Answer[]) => void;
  reject: (error: Error) => void;
}

/** The process has ended; what it was answering is lost. */
export class ModelLostError extends KindlingError {}

/**
 * Loads a saved task in a process of its own.
 *
 * @throws KindlingError as loading the task does
 */
export async function startPredictor(setup: PredictorSetup): Promise<StartedPredictor> {
  const source = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const script = fileURLToPath(new URL(`./predictor_process.${source}`, import.meta.url));
  const child = fork(script, [JSON.stringify(setup)], { serialization: "advanced" });
  const waiting = new Map<number, Waiting>();
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  let lost: Error | undefined;
  let ids = 0;

  const lose = (error: Error): void => {
    lost ??= error;
    for (const { reject } of waiting.values()) reject(lost);
    waiting.clear();
  };
  const info = await new Promise<ModelInfo>((resolve, reject) => {
    child.on("message", (message: PredictorMessage) => {
      if (message.kind === "ready") resolve(message.info);
      else if (message.kind === "failed") {
        // Its channel would keep it, and it this process, from ending.
        child.kill("SIGKILL");
        reject(new KindlingError(message.code, message.message));
      } else {
        waiting.get(message.id)?.resolve(message.answers);
        waiting.delete(message.id);
      }
    });
    const fail = (reason: string, cause?: unknown): void => {
      const error = new ModelLostError(
        "ERR_MODEL_LOST",
        `The process of ${setup.path} has ended: ${reason}`,
        {
          cause,
        },
      );
      reject(error);
      lose(error);
    };
    child.on("error", (error) => fail(error.message, error));
    child.on("exit", (code, signal) => fail(signal ?? `code ${code}.`));
  });

  return {
    info,
    lost: ended,
    predict: (inputs, options) =>
      new Promise((resolve, reject) => {
        if (lost !== undefined) return reject(lost);
        const id = ids++;
        waiting.set(id, { resolve, reject });
        // What cannot be sent is lost with the process, whose end rejects it.
        child.send({ id, inputs, options } satisfies PredictorRequest, () => undefined);
      }),
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await ended;
    },
  };
}
