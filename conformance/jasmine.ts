/**
 * Makes jasmine's functions global, as TF.js-core's tests want them, and runs what the tests have declared. Imported before
 * the tests; the process that runs them gets the name of the backend, and part of a test's name where only some shall run.
 */
import { createRequire } from "node:module";
import { setTestEnvs } from "@tensorflow/tfjs-core/dist/jasmine_util.js";
import "@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js";

const [backendName = "", filter = ""] = process.argv.slice(2);

/** What became of one test. A name that several tests share is numbered from its second on. */
export interface SpecResult {
  name: string;
  status: "passed" | "failed" | "skipped";
  milliseconds: number;
  messages: string[];
}

interface JasmineSpec {
  fullName: string;
  status: string;
  duration: number;
  failedExpectations: { message: string; stack?: string }[];
}

interface Jasmine {
  getEnv(): {
    configure(options: object): void;
    clearReporters(): void;
    addReporter(reporter: object): void;
    execute(): Promise<void>;
  };
  DEFAULT_TIMEOUT_INTERVAL: number;
}

const require = createRequire(import.meta.url);
const jasmine = (require("jasmine-core") as { boot(): Jasmine }).boot();
jasmine.DEFAULT_TIMEOUT_INTERVAL = 20_000;

// One name for all backends, so that a test has the same name on each.
setTestEnvs([{ name: "backend", backendName, flags: {}, isDataSync: true }]);

/** Runs every declared test and sends the array of results to the parent process. */
export function runSuite(): void {
  const results: SpecResult[] = [];
  const seen = new Map<string, number>();
  const env = jasmine.getEnv();
  env.configure({
    random: false,
    specFilter: (spec: { getFullName(): string }) => nameOf(spec.getFullName()).includes(filter),
  });
  env.clearReporters();
  env.addReporter({
    specDone({ fullName, status, duration, failedExpectations }: JasmineSpec) {
      if (status === "excluded") return;
      const name = nameOf(fullName);
      const count = (seen.get(name) ?? 0) + 1;
      seen.set(name, count);
      results.push({
        name: count === 1 ? name : `${name} #${count}`,
        status: status === "pending" ? "skipped" : (status as "passed" | "failed"),
        milliseconds: duration,
        messages: failedExpectations.map(({ message, stack }) => `${message}\n${shorten(stack)}`),
      });
    },
  });
  void env.execute().then(() => {
    process.send!(results, () => process.exit(0));
  });
}

function nameOf(fullName: string): string {
  return fullName.replace(" backend {}", "");
}

function shorten(stack = ""): string {
  return stack
    .split("\n")
    .filter((line) => line.includes("    at "))
    .slice(0, 8)
    .join("\n");
}
