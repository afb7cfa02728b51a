/** Which kernel call each operator of a graph comes from, so that an error names what the user called, and on what. */
import { EngineError } from "../../errors.js";

export interface KernelCall {
  readonly kernelName: string;
  readonly inputs: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly dtype: string;
  }[];
}

/** A result of a graph, as far as memory is concerned. */
interface Result {
  readonly shape: readonly number[];
  readonly call: KernelCall | undefined;
}

let current: KernelCall | undefined;

/** The call that is being lowered. */
export function currentCall(): KernelCall | undefined {
  return current;
}

/** Notes on the operators that `f` emits that they are part of this call. */
export function during<T>(call: KernelCall, f: () => T): T {
  const before = current;
  current = call;
  try {
    return f();
  } finally {
    current = before;
  }
}

/** The name of a model's operator, from which `explain` finds the call again. */
export function nodeName(call: KernelCall | undefined, operator: string, index: number): string {
  return `${call?.kernelName ?? operator}#${index}`;
}

/** `Conv2D(x: float32 [1, 8, 8, 3], filter: float32 [3, 3, 3, 16])` */
export function describeCall({ kernelName, inputs }: KernelCall): string {
  const described = inputs.map(({ name, dtype, shape }) => `${name}: ${dtype} [${shape.join(", ")}]`);
  return `${kernelName}(${described.join(", ")})`;
}

const OUT_OF_MEMORY = /smaller than requested bytes|allocate memory|out of memory|bad.alloc/i;

/**
 * The error of a graph with the calls that it stems from.
 * @param calls of the graph's nodes, in order
 * @returns EngineError `ERR_ENGINE_MEMORY` where memory was short; others keep their code
 */
export function explain(error: unknown, calls: readonly (KernelCall | undefined)[]): unknown {
  if (!(error instanceof EngineError) || error.code === "ERR_ENGINE_MEMORY") return error;
  const { message } = error;
  const named = [...message.matchAll(/#(\d+)/g)].map((match) => calls[Number(match[1])]);
  const blamed = [...new Set(named)].filter((call) => call !== undefined).map(describeCall);
  const where = blamed.length > 0 ? blamed.join(" and ") : `one of ${namesOf(calls)}`;
  if (!OUT_OF_MEMORY.test(message)) {
    return new EngineError(error.code, `${where} could not be computed: ${message}`, { cause: error });
  }
  return new EngineError("ERR_ENGINE_MEMORY", `Memory was too short for ${where}. ${ADVICE} ${message}`, {
    cause: error,
  });
}

/** The array of a result that there is no memory for. */
export function outOfMemory({ shape, call }: Result, cause: unknown): EngineError {
  const megabytes = Math.ceil((4 * shape.reduce((size, length) => size * length, 1)) / 2 ** 20);
  const source = call === undefined ? "a result" : describeCall(call);
  return new EngineError(
    "ERR_ENGINE_MEMORY",
    `Memory was too short for ${source}, whose array of shape [${shape.join(", ")}] takes ${megabytes} MB. ${ADVICE}`,
    { cause },
  );
}

const ADVICE =
  "Use smaller batches or shapes, dispose what is not needed, or raise memoryLimitMb if it is set.";

function namesOf(calls: readonly (KernelCall | undefined)[]): string {
  const names = [...new Set(calls.map((call) => call?.kernelName))].filter((name) => name !== undefined);
  const shown = names.slice(0, 12).join(", ");
  return names.length > 12
    ? `${shown} and ${names.length - 12} other kernels`
    : shown || "the graph's operators";
}
