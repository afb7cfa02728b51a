/**
 * Starts the ranks of one machine as threads of this process, each with the user's script again. This thread is rank 0. A
 * thread whose event loop is always free watches over the others, because rank 0's stands still while it waits for them.
 */
import { pathToFileURL } from "node:url";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { DistributedError } from "../../errors.js";
import { LocalGroup } from "./local_group.js";
import { RAISE_SOURCE } from "../abort_flag.js";
import { END_SOURCE, SharedWorld, type SharedWorldData } from "./shared_world.js";

/** What the thread of a rank is given. */
interface RankData {
  kindlingRank: number;
  world: SharedWorldData;
}

/**
 * Runs the script as `node script.js` does. Loaders that were named on the command line load here too, all but tsx, which
 * thinks of the main thread only and has to be told.
 */
const RANK_THREAD = `
const { createRequire } = require("node:module");
const { pathToFileURL } = require("node:url");
const { workerData } = require("node:worker_threads");
process.argv[1] = workerData.script;
(async () => {
  if (process.execArgv.some((argument) => /(^|\\W)tsx(\\W|$)/.test(argument))) {
    const loader = process.execArgv.find((argument) => /tsx.*loader\\.mjs$/.test(argument));
    const api = createRequire(loader ?? workerData.script).resolve("tsx/esm/api").replace(/cjs$/, "mjs");
    (await import(pathToFileURL(api).href)).register();
  }
  await import(workerData.url);
})();`;

/** Starts the other ranks, and tells all when one has ended. Plain JavaScript: it loads no file of ours. */
const WATCHING_THREAD = `
${RAISE_SOURCE}
${END_SOURCE}
const { Worker, workerData } = require("node:worker_threads");
const { code, script, url, world, argv } = workerData;
for (let rank = 1; rank < world.size; rank++) {
  const thread = new Worker(code, { eval: true, argv, workerData: { kindlingRank: rank, world, script, url } });
  const fail = (reason) =>
    raise(world.abort, { rank, code: "ERR_RANK_FAILED", message: "Rank " + rank + " has failed. " + reason });
  thread.on("error", (error) => fail(error instanceof Error ? error.name + ": " + error.message : error));
  thread.on("exit", (code) => {
    if (code !== 0) fail("It ended with the code " + code + ".");
    end(world.control, rank);
  });
}`;

/** The rank that this thread was started as; undefined in the thread that the program began with. */
export function localRankData(): RankData | undefined {
  const data = workerData as Partial<RankData> | null;
  return isMainThread || data?.kindlingRank === undefined ? undefined : (data as RankData);
}

/** This thread's rank among those that the program has started itself. */
export function ownLocalRank(): number {
  return localRankData()?.kindlingRank ?? 0;
}

/** The group of a rank that `launchLocalRanks` has started. */
export function joinLocalRanks({ kindlingRank, world }: RankData): LocalGroup {
  return new LocalGroup(new SharedWorld(world), kindlingRank);
}

/**
 * @param size ranks, this thread included
 * @throws DistributedError `ERR_LAUNCH_SCRIPT` where the program is no file that could run again
 */
export function launchLocalRanks(size: number): LocalGroup {
  const script = process.argv[1];
  if (script === undefined || !isMainThread) {
    throw new DistributedError(
      "ERR_LAUNCH_SCRIPT",
      `${size} ranks run the program's script ${size} times, in threads, and this program ` +
        `${isMainThread ? "has none: it was typed or given to node -e" : "runs in a worker thread"}. ` +
        "Put it into a file, and start it with node.",
    );
  }
  const world = SharedWorld.create(size);
  const data = {
    code: RANK_THREAD,
    script,
    url: pathToFileURL(script).href,
    world: world.data,
    argv: process.argv.slice(2),
  };
  const watching = new Worker(WATCHING_THREAD, { eval: true, workerData: data });
  // Rank 0 has ended when nothing else keeps its event loop going; the program ends with the last rank.
  watching.unref();
  process.once("beforeExit", () => {
    world.end(0);
    watching.ref();
    process.once("beforeExit", () => {
      if (!world.abort.wasReported) world.abort.check();
    });
  });
  return new LocalGroup(world, 0);
}
