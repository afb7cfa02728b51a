/** A search and a pipeline whose work runs in processes of their own. Prints what came of it. */
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pipeline } from "../../src/apps/pipeline.js";
import { search } from "../../src/core/tuner/search/search.js";
import { suggest } from "../../src/core/tuner/search/space.js";

const study = await search({ x: suggest.float(0, 1) }, new URL("./objective.ts", import.meta.url), {
  maxTrials: 4,
  concurrency: 2,
  sampler: "random",
  pruner: { shouldPrune: ({ trial }) => trial.number === 2 },
});
const trials = [...study.trials].sort((a, b) => a.number - b.number);

const pipeline = new Pipeline({ folder: await mkdtemp(join(tmpdir(), "kindling-work-")) });
const run = new URL("./stage.ts", import.meta.url);
const first = pipeline.stage("first", { inputs: { value: 20 }, run });
pipeline.stage("second", { inputs: { first, value: 1 }, run });
const { second } = await pipeline.run();
const file = await readFile(join(second!.folder, "value.txt"), "utf8");
process.stdout.write(JSON.stringify({ trials, second: second!.result, file }));
