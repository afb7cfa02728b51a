/** Counting n-grams of integers (tf-idf). */
import { HostValue, type OnnxValue } from "../values.js";
import type { OperatorContext } from "./context.js";
import { range, READS_INPUTS, readNumbers, type OperatorTable } from "./operator.js";

export const counting: OperatorTable = {
  TfIdfVectorizer: {
    since: 9,
    gradient: false,
    notes: `Of integers. ${READS_INPUTS}`,
    run: ([x], context) => [countGrams(x!, context)],
  },
};

/** An n-gram of the pool with the column that counts it. */
interface Gram {
  elements: readonly number[];
  column: number;
}

function countGrams(x: OnnxValue, context: OperatorContext): HostValue {
  if (context.has("pool_strings")) throw context.unsupported("it counts strings");
  const grams = poolOf(context);
  const width = Math.max(...grams.map(({ column }) => column)) + 1;
  const isBatch = x.shape.length === 2;
  const length = x.shape.at(-1)!;
  const numbers = readNumbers(x);
  const [shortest, longest] = [context.int("min_gram_length"), context.int("max_gram_length")];
  const mode = context.string("mode");
  const weights = context.has("weights") ? context.floats("weights") : undefined;
  const columns = new Map(grams.map(({ elements, column }) => [elements.join(), column]));
  const output = new Float32Array((isBatch ? x.shape[0] : 1) * width);
  for (const row of range(output.length / width)) {
    for (const size of range(longest - shortest + 1, shortest)) {
      const most = size === 1 ? 0 : context.int("max_skip_count");
      for (const step of range(most + 1, 1)) {
        for (const start of range(Math.max(0, length - (size - 1) * step))) {
          const column = columns.get(
            range(size)
              .map((i) => numbers[row * length + start + i * step])
              .join(),
          );
          if (column !== undefined) output[row * width + column]!++;
        }
      }
    }
  }
  grams.forEach(({ column }, gram) => {
    for (let place = column; place < output.length; place += width) {
      const count = mode === "IDF" ? Math.min(1, output[place]!) : output[place]!;
      output[place] = mode === "TF" ? count : count * (weights?.[gram] ?? 1);
    }
  });
  return new HostValue("float32", isBatch ? [x.shape[0], width] : [width], output);
}

/** The pool holds all 1-grams, then all 2-grams, and so on; `ngram_counts` says where each begins. */
function poolOf(context: OperatorContext): Gram[] {
  const pool = context.ints("pool_int64s");
  const starts = [...context.ints("ngram_counts"), pool.length];
  const columns = context.ints("ngram_indexes");
  const grams = starts.slice(0, -1).flatMap((start, i) => {
    const size = i + 1;
    return range((starts[i + 1]! - start) / size).map((gram) =>
      pool.slice(start + gram * size, start + (gram + 1) * size),
    );
  });
  return grams.map((elements, i) => ({ elements, column: columns[i]! }));
}
