/** What the works of the tests run. */
import { setTimeout } from "node:timers/promises";
import type { WorkContext } from "../../src/work/index.js";

export default async function run(
  { what, value }: { what: string; value: unknown },
  { signal, send, request }: WorkContext,
): Promise<unknown> {
  process.stdout.write(`began ${what}\n`);
  if (what === "double")
    return { doubled: (value as Float32Array).map((number) => 2 * number), pid: process.pid };
  if (what === "throw") throw Object.assign(new RangeError("out of range"), { code: "ERR_OWN" });
  if (what === "exit") process.exit(3);
  if (what === "crash") process.kill(process.pid, "SIGKILL");
  if (what === "function") return () => 1;
  if (what === "talk") {
    await send({ half: (value as number) / 2 });
    return request(value);
  }
  if (what === "orderly") {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    process.stdout.write("ended in good order\n");
    return 1;
  }
  for (;;) await setTimeout(1000);
}
