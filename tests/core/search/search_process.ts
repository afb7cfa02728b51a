/** One of several processes that search with one journal, until it is killed. `search_process.ts JOURNAL MAX_TRIALS` */
import { setTimeout } from "node:timers/promises";
import { search } from "../../../src/core/tuner/search/search.js";
import { suggest } from "../../../src/core/tuner/search/space.js";

const [journal, maxTrials] = process.argv.slice(2) as [string, string];

await search(
  { x: suggest.float(-5, 5), kind: suggest.categorical(["a", "b"]) },
  async ({ x, kind }, trial) => {
    process.stdout.write(`began ${trial.number}\n`);
    await trial.report(x, 1);
    await setTimeout(8);
    return x * x + (kind === "a" ? 1 : 0);
  },
  { maxTrials: Number(maxTrials), journal, seed: 7, concurrency: 2 },
);
process.stdout.write("done\n");
