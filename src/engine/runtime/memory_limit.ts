/**
 * Holds the arena to its limit where ONNX Runtime does not. A session's constants and packed weights lie in blocks that
 * the arena counts and never refuses. With them it can exceed its limit, by a few bytes where it has grown right up to it;
 * what is left is then below zero, read as a number without a sign, and nothing is refused any more.
 */
import { check, CStrings, ortApi, receive, type Pointer } from "./api.js";
import { doublingModel } from "./doubling_model.js";
import { environment, memoryIsLimited } from "./environment.js";
import { withSessionOptions } from "./session_options.js";
import { OrtArray } from "./tensor.js";

/**
 * To be called when a session has been made. An arena with a limit gives back what nobody uses: room for the session's
 * constants, and for other sizes than those that were computed before.
 * @throws Error where it is beyond its limit even so
 */
export function keepWithinLimit(): void {
  if (!memoryIsLimited()) return;
  keeper ??= openKeeper();
  giveBackUnused(keeper);
  const bytes = excess(keeper);
  if (bytes > 0)
    throw new Error(`Could not allocate memory: constants take ${bytes} bytes beyond the limit.`);
}

/** A session that computes next to nothing, and the arena as it sees it. */
interface Keeper {
  readonly session: Pointer;
  readonly arena: Pointer;
}

let keeper: Keeper | undefined;
const INPUT = new CStrings(["x"]);
const OUTPUT = new CStrings(["y"]);

/**
 * The arena does so at the end of a run that asks for it. This one's result lies in the arena, whose first block, which it
 * never gives back, is then a small one.
 */
function giveBackUnused({ session }: Keeper): void {
  const api = ortApi();
  const options = receive((out) => api.createRunOptions(out));
  const x = OrtArray.allocate("float32", [2]);
  try {
    check(api.addRunConfigEntry(options, "memory.enable_memory_arena_shrinkage", "cpu:0"));
    const input = BigUint64Array.of(x.acquire());
    const output = new BigUint64Array(1);
    check(api.run(session, options, INPUT.pointers, input, 1, OUTPUT.pointers, 1, output));
    api.releaseValue(output[0]!);
  } finally {
    x.release();
    api.releaseRunOptions(options);
  }
}

/** Bytes that the arena has beyond its limit. */
function excess({ arena }: Keeper): number {
  const api = ortApi();
  const stats = receive((out) => api.allocatorGetStats(arena, out));
  const [total, limit] = ["TotalAllocated", "Limit"].map((key) => Number(api.getKeyValue(stats, key)));
  api.releaseKeyValuePairs(stats);
  return total! - limit!;
}

function openKeeper(): Keeper {
  const api = ortApi();
  const model = doublingModel("float32");
  const { environment: env, arenaMemory } = environment();
  const session = withSessionOptions({ threads: 1 }, (native) =>
    receive((out) => api.createSessionFromArray(env, model, model.byteLength, native, out)),
  );
  return { session, arena: receive((out) => api.createAllocator(session, arenaMemory, out)) };
}
