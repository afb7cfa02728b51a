/**
 * A vitest reporter that names every skipped test with its reason and closes the run with one plain line,
 * `N passed, N failed, N skipped`, which continuous integration reads.
 *
 * The reason is the note of `context.skip("reason")`, or the last parenthesis that ends the title of the test or of
 * a suite around it: `describe.skipIf(!hasShared)("fine-tuning (needs ../shared/data/caltech12)", …)`.
 */
import type { SerializedError } from "vitest";
import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from "vitest/node";

export default class SkipReporter implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const lines = summarize(modules, unhandledErrors.length);
    this.#vitest?.logger.log(lines.join("\n"));
  }
}

/** The lines printed at the end of a run. A file that does not load and an unhandled error each count as failed. */
export function summarize(modules: readonly TestModule[], unhandledErrors: number): string[] {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  const skipped = tests.filter((test) => test.result().state === "skipped");
  const passed = tests.filter((test) => test.result().state === "passed").length;
  const failedTests = tests.filter((test) => test.result().state === "failed").length;
  const failed = failedTests + modules.filter(isBroken).length + unhandledErrors;
  return [
    ...(skipped.length > 0 ? [`Skipped: ${skipped.length}`] : []),
    ...skipped.map((test) => `  ${test.module.relativeModuleId} > ${test.fullName}: ${reasonOf(test)}`),
    `${passed} passed, ${failed} failed, ${skipped.length} skipped`,
  ];
}

/** True where the file or one of its suites failed outside any test: at import or in a hook. */
function isBroken(module: TestModule): boolean {
  const suites = [...module.children.allSuites()];
  return module.errors().length > 0 || suites.some((suite) => suite.errors().length > 0);
}

function reasonOf(test: TestCase): string {
  const result = test.result();
  if (result.state === "skipped" && result.note !== undefined) return result.note;
  if (test.options.mode === "todo") return "not written yet";
  return titles(test).map(closingParenthesis).find(Boolean) ?? "no reason given";
}

/** The title of the test, then those of the suites around it, innermost first. */
function titles(test: TestCase): string[] {
  const names = [test.name];
  for (let parent: TestSuite | TestModule = test.parent; parent.type === "suite"; parent = parent.parent) {
    names.push(parent.name);
  }
  return names;
}

function closingParenthesis(title: string): string | undefined {
  return /\(([^()]*)\)\s*$/.exec(title)?.[1];
}
