/**
 * `npm run conformance -- [--json] [--only PART]` runs TF.js-core's own tests on its cpu backend and on the engine. It fails
 * where a test that passes on cpu does not pass on the engine, unless `exceptions.ts` names it. `npm run conformance -- onnx`
 * runs ONNX's test cases through the import, and fails where one does not pass, unless `onnx_exceptions.ts` names it.
 */
import { parseArgs } from "node:util";
import { compareSuites } from "./compare.js";
import { runOnnxCases } from "./onnx.js";
import { MISSING } from "./onnx_cases.js";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false }, only: { type: "string", default: "" } },
});
const [suite] = positionals;
if (suite === undefined) await tensorFlow();
else if (suite === "onnx") await onnx();
else {
  console.error("usage: npm run conformance -- [onnx] [--json] [--only PART]");
  process.exitCode = 2;
}

async function tensorFlow(): Promise<void> {
  const { cpu, onnxruntime, unexpected, outdated } = await compareSuites(values.only);
  if (!values.json) {
    for (const { name, messages } of unexpected) console.log(`FAILED ${name}\n  ${messages.join("\n  ")}`);
    for (const name of outdated) console.log(`PASSES, though conformance/exceptions.ts names it: ${name}`);
    console.log(`${unexpected.length} failed that pass on cpu and are no exceptions`);
  }
  console.log(JSON.stringify({ cpu, onnxruntime }));
  if (unexpected.length + outdated.length > 0) process.exitCode = 1;
}

async function onnx(): Promise<void> {
  if (MISSING !== undefined) {
    console.log(`SKIPPED: ${MISSING}`);
    console.log(JSON.stringify({ skipped: MISSING }));
    return;
  }
  const { counts, failures, outdated } = await runOnnxCases(values.only);
  if (!values.json) {
    for (const [name, problem] of Object.entries(failures)) console.log(`FAILED ${name}\n  ${problem}`);
    for (const name of outdated)
      console.log(`PASSES OR IS GONE, though onnx_exceptions.ts names it: ${name}`);
  }
  console.log(JSON.stringify(counts));
  if (Object.keys(failures).length + outdated.length > 0) process.exitCode = 1;
}
