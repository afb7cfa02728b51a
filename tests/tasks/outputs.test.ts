/** The forms of a classifier's answer, against softmax and sigmoid worked out by hand. */
import { describe, expect, it } from "vitest";
import { checkOutputOptions, formatOutput } from "../../src/tasks/outputs.js";

const labels = ["cat", "dog", "eel"];
// exp(0) : exp(ln 2) : exp(ln 5) = 1 : 2 : 5
const logits = [0, Math.log(2), Math.log(5)];

describe("formatOutput", () => {
  it("gives the most probable class", () => {
    expect(formatOutput(logits, labels, false, {})).toEqual({
      label: "eel",
      score: expect.closeTo(5 / 8, 6) as number,
      classId: 2,
    });
  });

  it("gives the k most probable classes, best first", () => {
    const answers = formatOutput(logits, labels, false, { topK: 2 }) as { label: string }[];
    expect(answers.map(({ label }) => label)).toEqual(["eel", "dog"]);
  });

  it("gives probabilities and logits in the order of the labels", () => {
    const probabilities = formatOutput(logits, labels, false, { output: "probabilities" }) as number[];
    [1 / 8, 2 / 8, 5 / 8].forEach((value, i) => expect(probabilities[i]).toBeCloseTo(value, 6));
    expect(formatOutput(logits, labels, false, { output: "logits" })).toEqual(logits);
  });

  it("gives every present class of a multi-label answer", () => {
    // sigmoid(ln p / (1 - p)) = p
    const answer = formatOutput(
      [Math.log(0.4 / 0.6), Math.log(0.9 / 0.1), Math.log(0.6 / 0.4)],
      labels,
      true,
      {},
    );
    expect(answer).toEqual([
      { label: "dog", score: expect.closeTo(0.9, 6) as number, classId: 1 },
      { label: "eel", score: expect.closeTo(0.6, 6) as number, classId: 2 },
    ]);
  });

  it("is finite for extreme logits", () => {
    expect(formatOutput([1000, -1000, 0], labels, false, { output: "probabilities" })).toEqual([1, 0, 0]);
  });
});

describe("checkOutputOptions", () => {
  it.each([[{ output: "label" as "labels" }], [{ topK: 0 }], [{ topK: 1.5 }], [{ threshold: 2 }]])(
    "refuses %j",
    (options) => {
      expect(() => checkOutputOptions(options)).toThrow(
        expect.objectContaining({ code: "ERR_OUTPUT_OPTION" }) as Error,
      );
    },
  );
});
