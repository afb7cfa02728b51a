/** Part of the ONNX project's own test cases; `npm run conformance -- onnx` runs them all. */
import { describe, expect, it } from "vitest";
import { runOnnxCases } from "../../../conformance/onnx.js";
import { MISSING } from "../../../conformance/onnx_cases.js";

describe.skipIf(MISSING !== undefined)(
  `ONNX's own test cases${MISSING === undefined ? "" : ` (${MISSING})`}`,
  () => {
    it.each(["test_operator_", "sequence", "pool", "loop"])(
      "all pass whose names have %s, but for the exceptions",
      async (part) => {
        const { counts, failures, outdated } = await runOnnxCases(part);
        expect(Object.values(counts).reduce((sum, { passed }) => sum + passed, 0)).toBeGreaterThan(2);
        expect(failures).toEqual({});
        expect(outdated).toEqual([]);
      },
      120_000,
    );
  },
);
