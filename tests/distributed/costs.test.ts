/** What ranks send in a step, beside the formula of a ring, and of what reduces and gathers by parts. */
import { expect, it } from "vitest";
import { runRanks } from "./support/run_ranks.js";

interface Cost {
  rank: number;
  size: number;
  strategy: string;
  sentBytes: number;
  parameterBytes: number;
}

it.each([2, 3])("of %i ranks is 2 (n - 1) / n times the parameters", { timeout: 240_000 }, async (tcp) => {
  const { code, stdout, stderr } = await runRanks("costs_process.ts", [], { tcp });
  expect(code, stderr).toBe(0);
  const costs = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Cost);
  expect(costs).toHaveLength(2 * tcp);
  for (const strategy of ["ddp", "zero1"]) {
    const all = costs.filter((cost) => cost.strategy === strategy);
    const mean = all.reduce((sum, { sentBytes }) => sum + sentBytes, 0) / tcp;
    const [{ parameterBytes }] = all as [Cost];
    expect(mean / parameterBytes, strategy).toBeCloseTo((2 * (tcp - 1)) / tcp, 2);
    // A parameter is not divided, so that shares under zero1 differ; here there are three of one size.
    const most = Math.max(...all.map(({ sentBytes }) => sentBytes)) / mean;
    expect(most, strategy).toBeLessThan(1.02);
  }
});
