/** Part of TF.js-core's own tests; `npm run conformance` runs them all. */
import { expect, it } from "vitest";
import { compareSuites } from "../../conformance/compare.js";

it("passes the tests of gradients that TF.js's cpu backend passes, but for the exceptions", async () => {
  const { cpu, unexpected, outdated } = await compareSuites("gradient");
  expect(unexpected).toEqual([]);
  expect(outdated).toEqual([]);
  expect(cpu.passed).toBeGreaterThan(500);
}, 300_000);
