/** Data whose samples are decoded, and so may turn out to be unusable: pictures and sounds. */
import type { Stage } from "../core/data_module.js";
import { summarizeBadSamples, type BadSample, type BadSamplePolicy, type Dataset } from "../data/index.js";
import { DataError } from "../errors.js";
import {
  ClassificationData,
  type ClassificationDataOptions,
  type MultiLabelOptions,
  type SampleKind,
} from "./classification_data.js";
import type { CollectedParts, DataPart } from "./collect_parts.js";
import { selectSamples } from "./labeled_samples.js";

/** Options of data whose samples are decoded. */
export interface DecodedDataOptions extends ClassificationDataOptions {
  /**
   * What a sample that cannot be used does. `error` (the default): a `DataError` that names it, before training starts.
   * `skip`: those that fail are left out before training starts, and listed in `skipped`.
   */
  onBadSample?: BadSamplePolicy;
  /** Memory for decoded samples, in bytes; default 1 GiB. 0 decodes anew in every epoch. */
  cacheBytes?: number;
}

/** What a sample is called in lists, and in the error of a part without one. */
export interface DecodedSampleKind<Source> extends SampleKind<Source> {
  nameOf: (source: Source, index: number) => string;
  /** The code of the error for a part of which no sample can be used. */
  none: string;
}

/** A dataset some of whose samples can be taken, keeping what was decoded. */
interface Selectable<Source> {
  readonly sources: readonly Source[];
  select(indices: readonly number[]): this;
}

export const DEFAULT_CACHE_BYTES = 2 ** 30;
const PARTS_OF_STAGE: Record<Stage, readonly DataPart[]> = {
  fit: ["train", "val"],
  validate: ["val"],
  test: ["test"],
  predict: ["predict"],
};

export abstract class DecodedClassificationData<
  Source,
  Item,
  Batch,
  Data extends Dataset<Item> & Selectable<Source>,
> extends ClassificationData<Source, Item, Batch, Data> {
  readonly #kind: DecodedSampleKind<Source>;
  readonly #policy: BadSamplePolicy;
  readonly #checked = new Set<DataPart>();

  protected constructor(
    kind: DecodedSampleKind<Source>,
    collected: CollectedParts<Source>,
    options: DecodedDataOptions & MultiLabelOptions,
    labels?: readonly string[],
  ) {
    super(kind, collected, options, labels);
    this.#kind = kind;
    this.#policy = options.onBadSample ?? "error";
  }

  /** Tries the samples of a part. */
  protected abstract findBad(dataset: Data, policy: BadSamplePolicy): Promise<BadSample[]>;

  /** Finds samples that cannot be used, as `onBadSample` says. @throws DataError */
  override async setup(stage: Stage): Promise<void> {
    for (const part of PARTS_OF_STAGE[stage]) {
      const dataset = this.dataset(part);
      if (dataset === undefined || this.#checked.has(part)) continue;
      const bad = await this.findBad(dataset, this.#policy);
      if (this.#policy === "error" && bad.length > 0) throw summarizeBadSamples(bad, dataset.length);
      this.#checked.add(part);
      if (bad.length > 0) this.#leaveOut(part, dataset, bad);
    }
  }

  #leaveOut(part: DataPart, dataset: Data, bad: readonly BadSample[]): void {
    const { noun, nameOf, none } = this.#kind;
    const skipped = new Set(bad.map(({ index }) => index));
    for (const { index, error } of bad) {
      this.skipped.push({ part, path: nameOf(dataset.sources[index]!, index), error });
    }
    const kept = dataset.sources.map((_, i) => i).filter((i) => !skipped.has(i));
    if (kept.length === 0) {
      throw new DataError(none, `None of the ${dataset.length} ${noun.many} in \`${part}\` can be used.`);
    }
    const selected = dataset.select(kept);
    const samples =
      part === "predict"
        ? { sources: selected.sources, classes: [] }
        : selectSamples(this.labeled(part), kept);
    this.replacePart(part, selected, samples);
    const remaining = part === "predict" ? undefined : this.counts[part]!;
    for (const label of this.labels.filter((name) => remaining?.[name] === 0)) {
      this.warn(`No ${noun.one} of the class ${JSON.stringify(label)} is left in \`${part}\`.`);
    }
    this.warn(
      `${bad.length} of ${dataset.length} ${noun.many} in \`${part}\` cannot be used and were left out.`,
    );
  }
}
