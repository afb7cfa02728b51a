/** Finds the nearest of many vectors. */
import { ConfigurationError } from "../../errors.js";

/** One of the vectors that were searched. */
export interface SearchHit {
  /** Its number in the corpus. */
  index: number;
  /** Cosine similarity, -1 to 1. */
  score: number;
}

/** Options of `semanticSearch`. */
export interface SemanticSearchOptions {
  /** Hits at most, for each query. Default: 10. */
  topK?: number;
}

/**
 * The vectors of a corpus that are most similar to a query, best first; for a list of queries a list for each.
 *
 * @throws ConfigurationError `ERR_SHAPE` for vectors of different lengths, `ERR_OUTPUT_OPTION` for another `topK` than a
 *   positive integer
 */
export function semanticSearch(
  queries: readonly Float32Array[],
  corpus: readonly Float32Array[],
  options?: SemanticSearchOptions,
): SearchHit[][];
export function semanticSearch(
  query: Float32Array,
  corpus: readonly Float32Array[],
  options?: SemanticSearchOptions,
): SearchHit[];
export function semanticSearch(
  query: Float32Array | readonly Float32Array[],
  corpus: readonly Float32Array[],
  { topK = 10 }: SemanticSearchOptions = {},
): SearchHit[] | SearchHit[][] {
  if (!Number.isInteger(topK) || topK < 1) {
    throw new ConfigurationError("ERR_OUTPUT_OPTION", `\`topK\` is a whole number from 1 on, not ${topK}.`);
  }
  const queries = query instanceof Float32Array ? [query] : query;
  const width = corpus[0]?.length ?? queries[0]?.length ?? 0;
  const odd = [...queries, ...corpus].find(({ length }) => length !== width);
  if (odd !== undefined) {
    throw new ConfigurationError(
      "ERR_SHAPE",
      `Vectors of ${width} and of ${odd.length} numbers cannot be compared. Take all from one embedder.`,
    );
  }
  const norms = corpus.map(lengthOf);
  const results = queries.map((vector) => {
    const norm = lengthOf(vector);
    const hits = corpus.map((other, index) => {
      const product = norm * norms[index]!;
      return { index, score: product === 0 ? 0 : dot(vector, other) / product };
    });
    return hits.sort((a, b) => b.score - a.score || a.index - b.index).slice(0, topK);
  });
  return query instanceof Float32Array ? results[0]! : results;
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function lengthOf(vector: Float32Array): number {
  return Math.sqrt(dot(vector, vector));
}
