/** Saves checkpoints as training goes on, keeps the best, and gives the module the best weights at the end. */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ConfigurationError } from "../../errors.js";
import type { Stage } from "../data_module.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import type { MetricRecord } from "../types.js";
import { Callback } from "./callback.js";
import { checkMode, hasNewMetrics, isBetter, monitoredScore, type Mode } from "./monitoring.js";

export interface ModelCheckpointOptions {
  /** The folder. Default: `checkpoints` in the Trainer's `logDir`. */
  dirpath?: string;
  /**
   * The file's name without extension. `{epoch}`, `{step}` and names of logged metrics in braces stand for
   * `name=value`; `{val_loss:.2f}` gives two decimals. Default: "{epoch}-{step}".
   */
  filename?: string;
  /** The logged metric that tells which checkpoint is better. Default: none, the last is kept. */
  monitor?: string;
  /** Whether less or more of it is better. Default: "min". */
  mode?: Mode;
  /** How many to keep; -1 for all, 0 for none. More than one needs `monitor`. Default: 1. */
  saveTopK?: number;
  /** Whether the module has the best weights when fit has ended, not the last. Needs `monitor`. Default: true. */
  restoreBest?: boolean;
}

interface Saved {
  path: string;
  score: number;
  /** Whether this run wrote it and may delete it. */
  isOwn: boolean;
}

const EXTENSION = ".safetensors";

/**
 * Looks at the metrics at the end of every validated epoch. A score that is NaN is the worst. Files that another run left
 * are never overwritten or deleted: a name that is taken gets `-v1`.
 */
export class ModelCheckpoint extends Callback {
  readonly monitor: string | undefined;
  readonly mode: Mode;
  readonly saveTopK: number;
  readonly #dirpath: string | undefined;
  readonly #filename: string;
  readonly #restoreBest: boolean;
  /** Best first. */
  #saved: Saved[] = [];
  /** Whether the module's weights are those of the best checkpoint. */
  #lastIsBest = false;

  /** @throws ConfigurationError `ERR_MODEL_CHECKPOINT` where the options contradict each other */
  constructor(options: ModelCheckpointOptions = {}) {
    super();
    const {
      dirpath,
      filename = "{epoch}-{step}",
      monitor,
      mode = "min",
      saveTopK = 1,
      restoreBest = true,
    } = options;
    checkMode("ModelCheckpoint", mode);
    if (!Number.isInteger(saveTopK) || saveTopK < -1 || (saveTopK > 1 && monitor === undefined)) {
      throw new ConfigurationError(
        "ERR_MODEL_CHECKPOINT",
        `ModelCheckpoint's saveTopK must be -1 (all), 0, 1, or with a monitor any count, not ${saveTopK}.`,
      );
    }
    this.#dirpath = dirpath;
    this.#filename = filename;
    this.monitor = monitor;
    this.mode = mode;
    this.saveTopK = saveTopK;
    this.#restoreBest = restoreBest;
  }

  override get stateKey(): string {
    return `ModelCheckpoint(${this.monitor ?? "last"}, ${this.mode}, ${this.#filename})`;
  }

  override get monitors(): boolean {
    return true;
  }

  /** The best checkpoint, or without a monitor the last. */
  get bestModelPath(): string | undefined {
    return this.#saved[0]?.path;
  }

  get bestModelScore(): number | undefined {
    return this.monitor === undefined ? undefined : this.#saved[0]?.score;
  }

  override setup(_trainer: Trainer, _module: AnyLightningModule, stage: Stage): void {
    if (stage !== "fit") return;
    this.#saved = [];
    this.#lastIsBest = false;
  }

  /** @throws ConfigurationError `ERR_MONITOR_MISSING` where the metric was not logged */
  override async onTrainEpochEnd(trainer: Trainer): Promise<void> {
    this.#lastIsBest = false;
    if (this.saveTopK === 0 || !hasNewMetrics(trainer)) return;
    const { monitor } = this;
    const score = monitor === undefined ? NaN : monitoredScore(trainer, "ModelCheckpoint", monitor);
    const place = this.#place(score);
    if (this.saveTopK !== -1 && place >= this.saveTopK) return;
    await this.#save(trainer, score, place);
    this.#lastIsBest = place === 0;
  }

  override async onTrainEnd(trainer: Trainer, module: AnyLightningModule): Promise<void> {
    const best = this.bestModelPath;
    if (!this.#restoreBest || this.monitor === undefined || best === undefined || this.#lastIsBest) return;
    const { stateDict } = await trainer.checkpointIO.loadCheckpoint(best);
    module.loadStateDict(stateDict);
  }

  override stateDict(): Record<string, unknown> {
    return {
      saved: this.#saved.map(({ path, score }) => ({ path, score: Number.isNaN(score) ? null : score })),
    };
  }

  override loadStateDict({ saved }: Record<string, unknown>): void {
    this.#saved = (saved as { path: string; score: number | null }[])
      .filter(({ path }) => existsSync(path))
      .map(({ path, score }) => ({ path, score: score ?? NaN, isOwn: false }));
  }

  /** Where a score belongs among those saved. Without a monitor, the newest is first. */
  #place(score: number): number {
    if (this.monitor === undefined) return 0;
    const place = this.#saved.findIndex((saved) => isBetter(score, saved.score, this.mode));
    return place === -1 ? this.#saved.length : place;
  }

  /** The checkpoint's own list already names it; what it pushes out is deleted when it is safely on the disk. */
  async #save(trainer: Trainer, score: number, place: number): Promise<void> {
    const path = this.#pathFor(trainer);
    this.#saved.splice(place, 0, { path, score, isOwn: true });
    const surplus = this.saveTopK === -1 ? [] : this.#saved.splice(this.saveTopK);
    await trainer.saveCheckpoint(path);
    for (const old of surplus) if (old.isOwn) await trainer.checkpointIO.removeCheckpoint(old.path);
  }

  /** All checkpoints in the folder. */
  override async findLastCheckpoints(trainer: Trainer): Promise<string[]> {
    const folder = this.#folder(trainer);
    const names = existsSync(folder) ? await readdir(folder) : [];
    return names.filter((name) => name.endsWith(EXTENSION)).map((name) => join(folder, name));
  }

  #folder(trainer: Trainer): string {
    return this.#dirpath ?? join(trainer.logDir, "checkpoints");
  }

  #pathFor(trainer: Trainer): string {
    const folder = this.#folder(trainer);
    const { currentEpoch: epoch, globalStep: step } = trainer;
    const name = formatName(this.#filename, { ...trainer.callbackMetrics, epoch, step });
    const path = (suffix: string) => join(folder, `${name}${suffix}${EXTENSION}`);
    if (!existsSync(path(""))) return path("");
    let version = 1;
    while (existsSync(path(`-v${version}`))) version++;
    return path(`-v${version}`);
  }
}

/** Puts `name=value` for each name in braces. A metric that was not logged counts as 0, as in Lightning. */
function formatName(template: string, values: MetricRecord): string {
  return template.replace(/\{([^{}:]+)(?::\.(\d+)f)?\}/g, (_, name: string, decimals?: string) => {
    const value = values[name] ?? 0;
    const text = decimals === undefined ? String(value) : value.toFixed(Number(decimals));
    return `${name.replaceAll("/", "_")}=${text}`;
  });
}
