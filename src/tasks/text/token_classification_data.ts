/** The data of a token classifier: sentences whose words have tags. */
import type { TokenPreprocessor } from "../../backbones/text/token_preprocessor.js";
import { DataModule } from "../../core/data_module.js";
import { compareNaturally, DataLoader, LengthGroupedSampler, type Dataset } from "../../data/index.js";
import { ConfigurationError, DataError, describeChoices } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";
import { getGlobalSeed } from "../../random.js";
import { checkDataOptions } from "../check_data_options.js";
import { LABELED_PARTS } from "../labeled_samples.js";
import { splitLists } from "../split_parts.js";
import { readConll, readTaggedJsonl, type TaggedWords } from "./conll.js";

export type { TaggedWords };

/** Options of `TokenClassificationData`. */
export interface TokenClassificationDataOptions {
  /** Takes the `val` part from `train`: a fraction between 0 and 1 or a number of sentences. */
  valSplit?: number;
  /** Seed of the split and the order; default: the seed of `seedEverything`. */
  seed?: number;
  /** Default: 32. */
  batchSize?: number;
  /** The tags in the order of their ids; default: those of the training part, `O` first. */
  labels?: readonly string[];
}

/** Options of `TokenClassificationData.fromLists`. */
export interface TaggedListsOptions extends TokenClassificationDataOptions {
  train?: readonly TaggedWords[];
  val?: readonly TaggedWords[];
  test?: readonly TaggedWords[];
}

/** Options of `TokenClassificationData.fromConll`. */
export interface ConllOptions extends TokenClassificationDataOptions {
  train?: string;
  val?: string;
  test?: string;
}

/** Options of `TokenClassificationData.fromJsonl`. */
export interface TaggedJsonlOptions extends ConllOptions {
  /** Default: `tokens`. */
  wordsColumn?: string;
  /** Default: `tags`. */
  tagsColumn?: string;
}

/** A batch as the loaders give it. */
export interface TokenBatch {
  input: Record<string, HostTensor>;
  /** int32 [batch, length]: the tag of the word that a token begins, -1 for all other tokens. */
  target: HostTensor;
}

interface TokenSample {
  ids: Int32Array;
  targets: Int32Array;
}

type Part = (typeof LABELED_PARTS)[number];
const DEFAULT_BATCH_SIZE = 32;
const SENTENCES = { one: "sentence", many: "sentences" };
/** The target of what begins no word. */
export const NO_WORD = -1;

/** Tags are read off the training part; how words become tokens comes from the task. */
export class TokenClassificationData extends DataModule {
  readonly labels: readonly string[];
  /** Tokens left out of sentences that are longer than the model takes, as far as they have been read. */
  truncatedTokens = 0;
  readonly #options: TokenClassificationDataOptions;
  readonly #sentences: Partial<Record<Part, readonly TaggedWords[]>>;
  readonly #loaders = new Map<Part, DataLoader<TokenSample, TokenBatch>>();
  #preprocessor: TokenPreprocessor | undefined;

  private constructor(
    sentences: Partial<Record<Part, readonly TaggedWords[]>>,
    options: TokenClassificationDataOptions,
  ) {
    super();
    checkDataOptions(options);
    this.#options = options;
    const { train, val, test } = sentences;
    const given = {
      ...(train && { train: [...train] }),
      ...(val && { val: [...val] }),
      ...(test && { test: [...test] }),
    };
    this.#sentences = splitLists(given, {
      ...options,
      seed: options.seed ?? getGlobalSeed(),
      noun: SENTENCES,
    });
    const known = this.#sentences.train ?? LABELED_PARTS.flatMap((part) => this.#sentences[part] ?? []);
    this.labels = options.labels ?? collectTags(known);
    for (const part of LABELED_PARTS) this.#checkTags(part, this.#sentences[part] ?? []);
  }

  /** @throws ConfigurationError `ERR_PARTS`, `ERR_SPLIT`. @throws DataError `ERR_TAGS`, `ERR_UNKNOWN_CLASS` */
  static async fromLists(options: TaggedListsOptions): Promise<TokenClassificationData> {
    return new TokenClassificationData(options, options);
  }

  /** CoNLL columns: a word a line, its tag last, blank lines between sentences. @throws DataError as `fromLists`, and `ERR_TABLE_…` */
  static async fromConll(options: ConllOptions): Promise<TokenClassificationData> {
    return new TokenClassificationData(await readParts(options, readConll), options);
  }

  /** JSON Lines with a list of words and one of tags. @throws DataError as `fromConll` */
  static async fromJsonl(options: TaggedJsonlOptions): Promise<TokenClassificationData> {
    return new TokenClassificationData(
      await readParts(options, (file) => readTaggedJsonl(file, options)),
      options,
    );
  }

  /** The sentences of a part as texts, for a tokenizer to learn from. */
  texts(part: Part): string[] {
    return (this.#sentences[part] ?? []).map(({ words }) => words.join(" "));
  }

  /** Called by the task, which knows what its backbone wants. */
  attachPreprocessing(preprocessor: TokenPreprocessor): void {
    if (preprocessor === this.#preprocessor) return;
    this.#preprocessor = preprocessor;
    this.#loaders.clear();
  }

  override trainDataloader() {
    return this.#loader("train");
  }

  override valDataloader() {
    return this.#loader("val");
  }

  override testDataloader() {
    return this.#loader("test");
  }

  #loader(part: Part): DataLoader<TokenSample, TokenBatch> | undefined {
    const known = this.#loaders.get(part);
    const sentences = this.#sentences[part];
    if (known !== undefined || sentences === undefined) return known;
    const preprocessor = this.#preprocessor;
    if (preprocessor === undefined) {
      throw new ConfigurationError(
        "ERR_NO_PREPROCESSING",
        "These sentences have no way to become numbers yet: make a TokenClassifier with them.",
      );
    }
    const samples = sentences.map((sentence) => this.#encode(sentence, preprocessor));
    const dataset: Dataset<TokenSample> = { length: samples.length, get: (index) => samples[index]! };
    const isTrain = part === "train";
    const { batchSize = DEFAULT_BATCH_SIZE, seed } = this.#options;
    const lengths = samples.map(({ ids }) => ids.length);
    const loader = new DataLoader<TokenSample, TokenBatch>(dataset, {
      batchSize,
      dropLast: isTrain && samples.length > batchSize,
      ...(seed !== undefined && { seed }),
      sampler: new LengthGroupedSampler(lengths, { batchSize, shuffle: isTrain }),
      collate: (batch) => collate(batch, preprocessor),
    });
    this.#loaders.set(part, loader);
    return loader;
  }

  #encode({ words, tags }: TaggedWords, { tokenizer, maxLength }: TokenPreprocessor): TokenSample {
    const { ids, wordIds, truncated } = tokenizer.encodeWords(words, { maxLength });
    this.truncatedTokens += truncated;
    const targets = wordIds.map((word, token) =>
      word >= 0 && word !== wordIds[token - 1] ? this.labels.indexOf(tags[word]!) : NO_WORD,
    );
    return { ids, targets };
  }

  #checkTags(part: Part, sentences: readonly TaggedWords[]): void {
    sentences.forEach(({ words, tags }, i) => {
      if (words.length !== tags.length) {
        const message = `\`${part}\`, sentence ${i}: ${words.length} words have ${tags.length} tags. Give each word one.`;
        throw new DataError("ERR_TAGS", message);
      }
      const unknown = tags.find((tag) => !this.labels.includes(tag));
      if (unknown === undefined) return;
      throw new DataError(
        "ERR_UNKNOWN_CLASS",
        `\`${part}\`, sentence ${i} has the tag ${JSON.stringify(unknown)}, which is not in the training part or in \`labels\`. ` +
          describeChoices(unknown, this.labels),
      );
    });
  }
}

function collate(batch: readonly TokenSample[], preprocessor: TokenPreprocessor): TokenBatch {
  const input = preprocessor.collate(batch.map(({ ids }) => ({ ids, truncated: 0 })));
  const length = input.inputIds!.shape[1]!;
  const target = new Int32Array(batch.length * length).fill(NO_WORD);
  batch.forEach(({ targets }, row) => target.set(targets, row * length));
  return { input, target: new HostTensor(target, [batch.length, length]) };
}

async function readParts(
  files: ConllOptions,
  read: (file: string) => Promise<TaggedWords[]>,
): Promise<Partial<Record<Part, TaggedWords[]>>> {
  checkDataOptions(files);
  const parts: Partial<Record<Part, TaggedWords[]>> = {};
  for (const part of LABELED_PARTS) if (files[part] !== undefined) parts[part] = await read(files[part]);
  return parts;
}

/** `O` first, then by type and prefix. */
function collectTags(sentences: readonly TaggedWords[]): string[] {
  const tags = new Set<string>();
  for (const sentence of sentences) for (const tag of sentence.tags) tags.add(tag);
  const key = (tag: string) => (tag === "O" ? "" : tag.replace(/^([A-Z])-(.*)$/, "$2 $1"));
  return [...tags].sort((a, b) => compareNaturally(key(a), key(b)));
}
