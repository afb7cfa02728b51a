/** The mean of pretrained word vectors, which keep their values: a backbone for few training texts. */
import type * as tf from "@tensorflow/tfjs-core";
import { readWordVectors, type WordVectors } from "../../data/text/word_vectors.js";
import { CheckpointError } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";
import { EmbeddingBag, Module } from "../../nn/index.js";
import { wordsOf } from "./ngram_hashes.js";
import type { TextBackbone, TextInputs, TextModule } from "./text_backbone.js";
import {
  padRows,
  roundUpLength,
  type EncodedText,
  type TextArrays,
  type TextPreprocessor,
} from "./text_preprocessor.js";

const FILE_NAME = "words.json";
const SMALLEST_LENGTH = 8;
const MOST_WORDS_OF_A_TEXT = 4096;

/** Words that have a vector, each weighing one in the number of them. */
class WordPreprocessor implements TextPreprocessor {
  readonly #rows: ReadonlyMap<string, number>;

  constructor(rows: ReadonlyMap<string, number>) {
    this.#rows = rows;
  }

  encode(text: string): EncodedText {
    const known = wordsOf(text).flatMap((word) => this.#rows.get(word) ?? []);
    const ids = Int32Array.from(known.slice(0, MOST_WORDS_OF_A_TEXT));
    const weights = new Float32Array(ids.length).fill(1 / Math.max(1, ids.length));
    return { ids, weights, truncated: known.length - ids.length };
  }

  collate(texts: readonly EncodedText[], rows = texts.length): TextArrays {
    const length = this.paddedLength(Math.max(0, ...texts.map(({ ids }) => ids.length)));
    const lists = { ids: texts.map(({ ids }) => ids), weights: texts.map(({ weights }) => weights!) };
    return {
      wordIds: new HostTensor(padRows(lists.ids, new Int32Array(rows * length), length), [rows, length]),
      wordWeights: new HostTensor(padRows(lists.weights, new Float32Array(rows * length), length), [
        rows,
        length,
      ]),
    };
  }

  paddedLength(length: number): number {
    return roundUpLength(length, SMALLEST_LENGTH);
  }

  files(): Record<string, Uint8Array> {
    return { [FILE_NAME]: new Uint8Array(Buffer.from(JSON.stringify([...this.#rows.keys()]))) };
  }
}

class MeanOfWords extends Module<TextInputs, tf.Tensor> implements TextModule {
  readonly numFeatures: number;
  readonly embedding: EmbeddingBag;

  constructor({ vectors, width }: Pick<WordVectors, "vectors" | "width">) {
    super();
    this.numFeatures = width;
    const weight = new HostTensor(vectors, [vectors.length / width, width]);
    this.embedding = new EmbeddingBag(vectors.length / width, width, { weight });
    this.embedding.weight.requiresGrad = false;
  }

  override forward({ wordIds, wordWeights }: TextInputs): tf.Tensor {
    return this.embedding.forward({ indices: wordIds!, perSampleWeights: wordWeights! });
  }
}

/**
 * `new TextClassifier({ data, backbone: await loadWordVectors("glove.6B.100d.txt") })`: only the layer behind the mean of the
 * vectors trains. Words are lower-cased.
 *
 * @param options.limit words at most, from the top of the file. Default: 100,000.
 * @throws DataError `ERR_WORD_VECTORS`, `ERR_TABLE_READ`
 */
export async function loadWordVectors(path: string, options: { limit?: number } = {}): Promise<TextBackbone> {
  const { rows, vectors, width } = await readWordVectors(path, options);
  return backboneOf(rows, vectors, width);
}

/** The words of a saved task; their vectors are yet to be restored. */
export function restoreWordVectors(width: number, files: Record<string, Uint8Array>): TextBackbone {
  const bytes = files[FILE_NAME];
  if (bytes === undefined) throw new CheckpointError("ERR_TASK_FILE", `The task's ${FILE_NAME} is missing.`);
  const words = JSON.parse(Buffer.from(bytes).toString()) as string[];
  const rows = new Map(words.map((word, row) => [word, row]));
  return backboneOf(rows, new Float32Array(words.length * width), width);
}

function backboneOf(rows: ReadonlyMap<string, number>, vectors: Float32Array, width: number): TextBackbone {
  return {
    name: "word-vectors",
    module: new MeanOfWords({ vectors, width }),
    preprocessor: new WordPreprocessor(rows),
    recipe: { learningRate: 1e-2, weightDecay: 0 },
    pretrained: true,
    saved: { kind: "word-vectors", options: { width } },
  };
}
