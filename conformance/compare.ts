/** Runs TF.js-core's tests on both backends and says where the engine falls behind. */
import { fork } from "node:child_process";
import { BACKENDS, bundleSuites, type Backend } from "./bundle.js";
import { exceptions } from "./exceptions.js";
import type { SpecResult } from "./jasmine.js";

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export interface Conformance {
  cpu: Counts;
  onnxruntime: Counts;
  /** Tests that pass on cpu, not on the engine, and are no exceptions. */
  unexpected: SpecResult[];
  /** Exceptions that pass on the engine, or that no longer name a test that passes on cpu. */
  outdated: string[];
}

/** @param only part of the names of the tests to run; all without it */
export async function compareSuites(only = ""): Promise<Conformance> {
  const programs = await bundleSuites();
  const results = {} as Record<Backend, SpecResult[]>;
  await Promise.all(
    BACKENDS.map(async (backend) => {
      results[backend] = await runProgram(programs[backend], backend, only);
    }),
  );
  const onEngine = new Map(results.onnxruntime.map((result) => [result.name, result]));
  const unexpected = results.cpu
    .filter(({ name, status }) => status === "passed" && exceptions[name] === undefined)
    .map(
      ({ name }) => onEngine.get(name) ?? { name, status: "skipped" as const, milliseconds: 0, messages: [] },
    )
    .filter(({ status }) => status !== "passed");
  const passing = new Set(results.cpu.filter(({ status }) => status === "passed").map(({ name }) => name));
  const outdated = Object.keys(exceptions).filter(
    (name) => name.includes(only) && (!passing.has(name) || onEngine.get(name)?.status === "passed"),
  );
  return {
    cpu: countsOf(results.cpu),
    onnxruntime: countsOf(results.onnxruntime),
    unexpected,
    outdated,
  };
}

/** Runs a bundled suite in a process of its own, since each has its own TF.js. */
function runProgram(path: string, backend: Backend, only: string): Promise<SpecResult[]> {
  return new Promise((resolve, reject) => {
    const child = fork(path, [backend, only], { silent: true });
    let results: SpecResult[] | undefined;
    let errors = "";
    child.stdout!.resume();
    child.stderr!.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    child.on("message", (message) => (results = message as SpecResult[]));
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (results !== undefined) resolve(results);
      else reject(new Error(`The tests on ${backend} ended early (${signal ?? code}):\n${errors}`));
    });
  });
}

function countsOf(results: readonly SpecResult[]): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { status } of results) counts[status]++;
  return counts;
}
