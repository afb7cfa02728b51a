/** Tests that compare the engine with TF.js's cpu backend, one for each line of a table. */
import { expect, it } from "vitest";
import { compareBackends, type Argument, type Operation } from "./compare_backends.js";

export type Case = [name: string, operation: Operation, args: Argument[], options?: { gradients?: boolean }];

/** Values and gradients must agree, and no kernel may have run on the cpu backend. */
export function check(cases: Case[]): void {
  it.each(cases)("%s", (_name, operation, args, { gradients = true } = {}) => {
    const comparison = compareBackends(operation, args, gradients);
    expect(comparison.outputDifference).toBeLessThan(1e-5);
    for (const difference of comparison.gradientDifferences) expect(difference).toBeLessThan(2e-5);
    expect(comparison.fallbackKernels).toEqual({});
  });
}
