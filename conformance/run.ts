/**
 * Runs TF.js-core's own tests on its cpu backend and on the engine: `npm run conformance -- [--json] [--only PART]`.
 * It fails where a test that passes on cpu does not pass on the engine, unless `exceptions.ts` names it.
 */
import { parseArgs } from "node:util";
import { compareSuites } from "./compare.js";

const { values } = parseArgs({
  options: { json: { type: "boolean", default: false }, only: { type: "string", default: "" } },
});
const { cpu, onnxruntime, unexpected, outdated } = await compareSuites(values.only);

if (!values.json) {
  for (const { name, messages } of unexpected) console.log(`FAILED ${name}\n  ${messages.join("\n  ")}`);
  for (const name of outdated) console.log(`PASSES, though conformance/exceptions.ts names it: ${name}`);
  console.log(`${unexpected.length} failed that pass on cpu and are no exceptions`);
}
console.log(JSON.stringify({ cpu, onnxruntime }));
if (unexpected.length + outdated.length > 0) process.exitCode = 1;
