/** Comparing embeddings. */
import { ConfigurationError } from "../errors.js";

type Numbers = ArrayLike<number>;

/** An embedding among others that is near to the one asked for. */
export interface Neighbor {
  /** Its place among the others. */
  index: number;
  /** -1 to 1, where 1 is the same direction. */
  similarity: number;
}

/**
 * The cosine of the angle between two embeddings, -1 to 1; 0 where one of them is all zeros.
 *
 * @throws ConfigurationError `ERR_EMBEDDING_LENGTH` for embeddings of different lengths
 */
export function cosineSimilarity(a: Numbers, b: Numbers): number {
  if (a.length !== b.length) {
    throw new ConfigurationError(
      "ERR_EMBEDDING_LENGTH",
      `Embeddings of ${a.length} and ${b.length} numbers cannot be compared. Make both with one embedder.`,
    );
  }
  let [product, squaresA, squaresB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!;
    squaresA += a[i]! ** 2;
    squaresB += b[i]! ** 2;
  }
  return product === 0 ? 0 : product / Math.sqrt(squaresA * squaresB);
}

/**
 * The embeddings that are most similar to one, best first.
 *
 * @param options.k how many, at most. Default: 5.
 * @throws ConfigurationError `ERR_EMBEDDING_LENGTH` for embeddings of different lengths
 */
export function nearestNeighbors(
  query: Numbers,
  embeddings: readonly Numbers[],
  { k = 5 }: { k?: number } = {},
): Neighbor[] {
  return embeddings
    .map((embedding, index) => ({ index, similarity: cosineSimilarity(query, embedding) }))
    .sort((a, b) => b.similarity - a.similarity)
    .slice(0, k);
}
