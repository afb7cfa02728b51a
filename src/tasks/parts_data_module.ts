/** A data module whose loaders are those of its parts, and that tells its user what is odd about them. */
import { DataModule } from "../core/data_module.js";
import type { DataLoader } from "../data/index.js";
import type { DataPart } from "./collect_parts.js";

export abstract class PartsDataModule<Item, Batch> extends DataModule {
  /** What a user should know about the data, a sentence each. */
  readonly warnings: string[] = [];
  readonly #onWarning: ((warning: string) => void) | undefined;

  /** @param options.onWarning hears of each warning at once */
  protected constructor({ onWarning }: { onWarning?: (warning: string) => void }) {
    super();
    this.#onWarning = onWarning;
  }

  override trainDataloader(): DataLoader<Item, Batch> | undefined {
    return this.loader("train");
  }

  override valDataloader(): DataLoader<Item, Batch> | undefined {
    return this.loader("val");
  }

  override testDataloader(): DataLoader<Item, Batch> | undefined {
    return this.loader("test");
  }

  override predictDataloader(): DataLoader<Item, Batch> | undefined {
    return this.loader("predict");
  }

  /** Undefined where there is no such part. */
  protected abstract loader(part: DataPart): DataLoader<Item, Batch> | undefined;

  protected warn(warning: string): void {
    this.warnings.push(warning);
    this.#onWarning?.(warning);
  }
}

/** `usual`, or a quarter of the training part where that is less, but at least `least`. */
export function defaultBatchSize(
  trainLength: number | undefined,
  { usual, least }: { usual: number; least: number },
): number {
  if (trainLength === undefined) return usual;
  return Math.min(usual, Math.max(least, Math.floor(trainLength / 4)));
}
