/** Every kernel that the engine records has a property that runs it. */
import { expect, it } from "vitest";
import { lowerings } from "../../../src/engine/kernels/index.js";
import { coveredKernels } from "../../support/kernel_coverage.js";

it("each recorded kernel is listed once in tests/support/kernel_coverage.ts", () => {
  expect(coveredKernels().sort()).toEqual(Object.keys(lowerings).sort());
});
