/** A process of its own for runtime.test.ts: makes a session, in a worker thread where told, and ends as told. */
import { argv } from "node:process";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { OrtArray, Session } from "../../src/engine/runtime/index.js";
import { smallModel } from "../support/small_model.js";

const end = argv[2]!;

if (isMainThread && end.startsWith("worker")) {
  const load = `import("tsx/esm/api").then(({ register }) => (register(), import("${import.meta.url}")))`;
  const worker = new Worker(load, { eval: true, argv: [end] });
  if (end === "worker-terminated") worker.once("message", () => void worker.terminate());
  worker.once("exit", () => compute().run([input()], [undefined]));
} else {
  const session = compute();
  session.run([input()], [undefined]);
  const run = () => session.runAsync([input()], [undefined]);
  switch (end) {
    case "exit":
      for (let i = 0; i < 4; i++) void run();
      setTimeout(() => process.exit(0), 2);
      break;
    case "throw":
      void run();
      setTimeout(() => {
        throw new Error("boom");
      }, 2);
      break;
    case "worker-terminated":
      parentPort!.postMessage("running");
      for (;;) await run();
    default:
      await run();
  }
}

function input(): OrtArray {
  return OrtArray.allocate("float32", [400, 400]);
}

/** Two matrix products, a few milliseconds. */
function compute(): Session {
  return new Session(
    smallModel({
      nodes: [
        ["MatMul", ["a", "a"], ["b"]],
        ["MatMul", ["b", "a"], ["c"]],
      ],
      inputs: { a: [1, [400, 400]] },
      outputs: { c: [1, [400, 400]] },
    }),
  );
}
