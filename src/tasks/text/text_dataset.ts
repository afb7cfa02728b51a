/** Texts as a dataset: encoded when they are first needed, and kept so. */
import type { EncodedText, TextPreprocessor } from "../../backbones/text/text_preprocessor.js";
import type { ClassificationTarget, Dataset } from "../../data/index.js";
import { approximateLength, textOf, type TextSource } from "../../data/text/index.js";
import { HostTensor } from "../../host_tensor.js";

/** One text, ready for its batch. */
export interface TextSample {
  encoded: EncodedText;
  target: ClassificationTarget | undefined;
  /** Its number in its part. */
  index: number;
}

/** A batch as the loaders give it. */
export interface TextBatch {
  /** What the backbone takes, by name: for tokens `inputIds` and `attentionMask`, for n-grams `ngramIds` and `ngramWeights`. */
  input: Record<string, HostTensor>;
  /** int32 [batch], or with multi-label float32 [batch, classes]; absent in the predict part. */
  target?: HostTensor;
  /** int32 [batch]: the texts' numbers in their part. */
  index: HostTensor;
}

export class TextDataset implements Dataset<TextSample> {
  readonly sources: readonly TextSource[];
  readonly targets: readonly ClassificationTarget[] | undefined;
  readonly #preprocessor: TextPreprocessor;
  readonly #encoded: (EncodedText | undefined)[] = [];
  readonly #truncated = new Set<number>();
  readonly #onTruncated: (truncated: number) => void;

  /** @param onTruncated hears, once for each text that is too long, how many tokens were left out */
  constructor(
    sources: readonly TextSource[],
    targets: readonly ClassificationTarget[] | undefined,
    preprocessor: TextPreprocessor,
    onTruncated: (truncated: number) => void,
  ) {
    this.sources = sources;
    this.targets = targets;
    this.#preprocessor = preprocessor;
    this.#onTruncated = onTruncated;
  }

  get length(): number {
    return this.sources.length;
  }

  /** About how long each text is. */
  get lengths(): Float64Array {
    return Float64Array.from(this.sources, approximateLength);
  }

  get(index: number): TextSample {
    return { encoded: this.#encode(index), target: this.targets?.[index], index };
  }

  /** Puts samples of this dataset together. */
  collate(samples: readonly TextSample[]): TextBatch {
    const input = this.#preprocessor.collate(samples.map(({ encoded }) => encoded));
    const index = new HostTensor(
      Int32Array.from(samples, (sample) => sample.index),
      [samples.length],
    );
    if (this.targets === undefined) return { input, index };
    return { input, target: stackTargets(samples.map(({ target }) => target!)), index };
  }

  #encode(index: number): EncodedText {
    const known = this.#encoded[index];
    if (known !== undefined) return known;
    const source = this.sources[index]!;
    const encoded = this.#preprocessor.encode(textOf(source));
    if (encoded.truncated > 0 && !this.#truncated.has(index)) {
      this.#truncated.add(index);
      this.#onTruncated(encoded.truncated);
    }
    if (typeof source === "string") this.#encoded[index] = encoded;
    return encoded;
  }
}

function stackTargets(targets: readonly ClassificationTarget[]): HostTensor {
  const [first] = targets;
  if (typeof first === "number") {
    return new HostTensor(Int32Array.from(targets as readonly number[]), [targets.length]);
  }
  const rows = targets as readonly HostTensor[];
  const width = first!.data.length;
  const data = new Float32Array(rows.length * width);
  rows.forEach((row, i) => data.set(row.data, i * width));
  return new HostTensor(data, [rows.length, width]);
}
