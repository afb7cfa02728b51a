/**
 * The one file that touches ONNX Runtime's native binding. Its synchronous session is private to `onnxruntime-node`
 * (hence the pinned version), and TF.js needs it: a tensor may be read synchronously.
 */
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import type { InferenceSession, Tensor as OrtTensor, TensorConstructor } from "onnxruntime-node";
import { EngineError } from "../errors.js";

interface NativeSession {
  loadModel(path: string, options: InferenceSession.SessionOptions): void;
  loadModel(
    buffer: ArrayBufferLike,
    byteOffset: number,
    byteLength: number,
    options: InferenceSession.SessionOptions,
  ): void;
  readonly inputMetadata: readonly { name: string; shape: number[]; symbolicDimensions: string[] }[];
  readonly outputMetadata: readonly { name: string; shape: number[]; symbolicDimensions: string[] }[];
  run(
    feeds: Record<string, OrtTensor>,
    fetches: Record<string, null>,
    options: InferenceSession.RunOptions,
  ): Record<string, OrtTensor>;
  dispose(): void;
}

interface Native {
  binding: { InferenceSession: new () => NativeSession };
  initOrt(): void;
  Tensor: TensorConstructor;
}

let native: Native | undefined;

/** Loads the native library on first use, with its telemetry switched off before it starts. */
function loadNative(): Native {
  if (native === undefined) {
    process.env.ORT_DISABLE_TELEMETRY = "1";
    const require = createRequire(import.meta.url);
    const { Tensor } = require("onnxruntime-node") as { Tensor: TensorConstructor };
    const binding = require("onnxruntime-node/dist/binding.js") as Omit<Native, "Tensor">;
    binding.initOrt();
    native = { ...binding, Tensor };
  }
  return native;
}

/** A compiled ONNX model on the CPU. */
export class Session {
  readonly #session: NativeSession;

  /**
   * @param model the bytes of a model, or the path of one (external data beside it is found)
   * @throws EngineError `ERR_ENGINE_COMPILE` where ONNX Runtime does not take the model
   */
  constructor(model: Uint8Array | string) {
    const { binding } = loadNative();
    const options: InferenceSession.SessionOptions = {
      intraOpNumThreads: availableParallelism(),
      graphOptimizationLevel: "all",
      logSeverityLevel: 3,
    };
    this.#session = new binding.InferenceSession();
    try {
      if (typeof model === "string") this.#session.loadModel(model, options);
      else this.#session.loadModel(model.buffer, model.byteOffset, model.byteLength, options);
    } catch (error) {
      const source = typeof model === "string" ? model : `A graph of ${model.byteLength} bytes`;
      throw new EngineError(
        "ERR_ENGINE_COMPILE",
        `${source} was refused by ONNX Runtime: ${messageOf(error)}`,
        {
          cause: error,
        },
      );
    }
  }

  get inputNames(): string[] {
    return this.#session.inputMetadata.map((input) => input.name);
  }

  get outputNames(): string[] {
    return this.#session.outputMetadata.map((output) => output.name);
  }

  /** @throws EngineError `ERR_ENGINE_RUN` with ONNX Runtime's own message */
  run(feeds: Record<string, OrtTensor>, outputNames: readonly string[]): Record<string, OrtTensor> {
    const fetches = Object.fromEntries(outputNames.map((name) => [name, null]));
    try {
      return this.#session.run(feeds, fetches, {});
    } catch (error) {
      throw new EngineError("ERR_ENGINE_RUN", `ONNX Runtime failed in a graph: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  dispose(): void {
    this.#session.dispose();
  }
}

/** Wraps an array without copying it. */
export function ortTensor(
  type: "float32" | "int32" | "bool" | "uint8",
  data: Float32Array | Int32Array | Uint8Array,
  shape: readonly number[],
): OrtTensor {
  return new (loadNative().Tensor)(type, data as Float32Array, shape);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
