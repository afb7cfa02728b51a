/** TextEmbedder: texts as vectors, whose nearness is nearness of meaning as far as the backbone has learned it. */
import { createTextBackbone, type TextBackboneContext } from "../../backbones/text/registry.js";
import type { TextBackbone } from "../../backbones/text/text_backbone.js";
import { semanticSearch, type SearchHit, type SemanticSearchOptions } from "./semantic_search.js";
import { runOnTexts } from "./text_prediction.js";

/** Options of `TextEmbedder`. */
export interface TextEmbedderOptions extends Omit<TextBackboneContext, "texts"> {
  /** A folder as `loadTextEncoder` takes it, a backbone, or a name with `pretrained` weights. */
  backbone: string | TextBackbone;
  /** Whether vectors are scaled to length 1. Default: true. */
  normalize?: boolean;
}

/** A text that was found. */
export interface TextSearchHit extends SearchHit {
  text: string;
}

/** `new TextEmbedder({ backbone: "models/all-MiniLM-L6-v2" })`, or `classifier.asEmbedder()`. */
export class TextEmbedder {
  readonly numFeatures: number;
  readonly #source: TextBackbone;
  readonly #normalize: boolean;

  /** @throws ConfigurationError `ERR_UNKNOWN_BACKBONE`, `ERR_NO_TRAINING_TEXTS`, `ERR_BACKBONE_FOLDER`, `ERR_TOKENIZER` */
  constructor({ backbone, normalize = true, ...context }: TextEmbedderOptions) {
    this.#source =
      typeof backbone === "string"
        ? createTextBackbone(backbone, { ...context, texts: undefined })
        : backbone;
    this.#normalize = normalize;
    this.numFeatures = this.#source.module.numFeatures;
  }

  /**
   * One vector [numFeatures] for one text, many for a list. A text without a known word is a vector of zeros in a bag of
   * n-grams.
   *
   * @throws DataError `ERR_TEXT` for something that is no string
   */
  async predict(input: readonly string[]): Promise<Float32Array[]>;
  async predict(input: string): Promise<Float32Array>;
  async predict(input: string | readonly string[]): Promise<Float32Array | Float32Array[]> {
    const { module, preprocessor } = this.#source;
    const texts = Array.isArray(input) ? (input as readonly string[]) : [input as string];
    const vectors = await runOnTexts(texts, preprocessor, module, (inputs) => module.forward(inputs));
    if (this.#normalize) vectors.forEach(scaleToOne);
    return Array.isArray(input) ? vectors : vectors[0]!;
  }

  /**
   * The texts of a corpus that are most like the query, best first.
   *
   * @param vectors of the corpus, where `predict` has given them before
   */
  async search(
    query: string,
    corpus: readonly string[],
    { vectors, ...options }: SemanticSearchOptions & { vectors?: readonly Float32Array[] } = {},
  ): Promise<TextSearchHit[]> {
    const hits = semanticSearch(await this.predict(query), vectors ?? (await this.predict(corpus)), options);
    return hits.map((hit) => ({ ...hit, text: corpus[hit.index]! }));
  }
}

function scaleToOne(vector: Float32Array): void {
  const norm = Math.hypot(...vector);
  if (norm > 0) for (let i = 0; i < vector.length; i++) vector[i]! /= norm;
}
