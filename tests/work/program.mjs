/** What the works of the tests run. */
import { setTimeout } from "node:timers/promises";

export default async function run({ what, value }, { signal, send, request }) {
  console.log(`began ${what}`);
  if (what === "double") return { doubled: value.map((number) => 2 * number), pid: process.pid };
  if (what === "throw") throw Object.assign(new RangeError("out of range"), { code: "ERR_OWN" });
  if (what === "exit") process.exit(3);
  if (what === "crash") process.kill(process.pid, "SIGKILL");
  if (what === "function") return () => 1;
  if (what === "talk") {
    await send({ half: value / 2 });
    return request(value);
  }
  if (what === "orderly") {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    console.log("ended in good order");
    return 1;
  }
  for (;;) await setTimeout(1000);
}
