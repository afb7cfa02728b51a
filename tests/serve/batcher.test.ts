/** Which inputs go to the model together, and when. */
import { expect, it, vi } from "vitest";
import type { Answer } from "../../src/catalog/predict_each.js";
import { Batcher } from "../../src/serve/batcher.js";

/** A model that answers when it is told to. */
function manualBatcher(maxBatchSize: number, maxWaitMs: number) {
  const runs: { inputs: unknown[]; answer: () => void }[] = [];
  const predict = (inputs: readonly unknown[]): Promise<Answer[]> =>
    new Promise((resolve) => {
      const answer = () => resolve(inputs.map((input) => ({ prediction: input })));
      runs.push({ inputs: [...inputs], answer });
    });
  const info = { task: "TextClassifier", inputs: "texts" } as const;
  const predictor = { info, predict, close: async () => undefined };
  const batcher = new Batcher(predictor, { maxBatchSize, maxWaitMs, maxQueue: 100 });
  const ask = (input: string, signal = new AbortController().signal, options = {}) =>
    batcher.predict([input], options, signal);
  const sent = () => runs.map(({ inputs }) => inputs);
  return { batcher, runs, ask, sent };
}

it("sends a full batch while another runs, and no third", async () => {
  const { batcher, runs, ask, sent } = manualBatcher(2, 0);
  const answers = [ask("a"), ask("b"), ask("c"), ask("d"), ask("e")];
  expect(sent()).toEqual([["a"], ["b", "c"]]);
  expect(batcher.waiting).toBe(2);
  runs[0]!.answer();
  await answers[0];
  await vi.waitFor(() => expect(sent()).toEqual([["a"], ["b", "c"], ["d", "e"]]));
  for (const { answer } of runs) answer();
  expect((await Promise.all(answers)).flat()).toEqual([..."abcde"].map((input) => ({ prediction: input })));
});

it("lets a batch that is not full gather while another runs, and then sends it at once", async () => {
  const { runs, ask, sent } = manualBatcher(8, 50);
  const first = ask("a");
  await vi.waitFor(() => expect(sent()).toEqual([["a"]]));
  const others = [ask("b"), ask("c")];
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(sent()).toEqual([["a"]]);
  const end = performance.now();
  runs[0]!.answer();
  await first;
  await vi.waitFor(() => expect(sent()).toEqual([["a"], ["b", "c"]]), { interval: 1 });
  // They have waited for longer than they have to.
  expect(performance.now() - end).toBeLessThan(45);
  runs[1]!.answer();
  await Promise.all(others);
});

it("keeps inputs with other options apart, and leaves out those whose client has gone", async () => {
  const { runs, ask, sent } = manualBatcher(8, 0);
  const first = ask("a");
  const client = new AbortController();
  const others = [ask("b", undefined, { topK: 1 }), ask("c", client.signal), ask("d")];
  const gone = expect(others[1]).rejects.toThrow("gone");
  client.abort(new Error("gone"));
  await gone;
  runs[0]!.answer();
  await first;
  await vi.waitFor(() => expect(sent()).toHaveLength(2));
  runs[1]!.answer();
  await vi.waitFor(() => expect(sent()).toEqual([["a"], ["b"], ["d"]]));
  runs[2]!.answer();
  expect(await others[2]).toEqual([{ prediction: "d" }]);
});
