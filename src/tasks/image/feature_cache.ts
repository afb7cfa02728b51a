/** Features of pictures in a file, so that the next run of a program need not compute them again. */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import envPaths from "env-paths";
import { writeFileAtomically } from "../../atomic_write.js";
import type { ImageSource } from "../../data/index.js";
import { resolveSource } from "../../data/image/source.js";
import { KindlingError } from "../../errors.js";
import type { AnyModule } from "../../nn/index.js";
import { decodeSafetensors, encodeSafetensors } from "../../safetensors.js";

const KEY_BYTES = 32;

/** Raised where the numbers of the same picture and model become others. */
const VERSION = 1;

/** The folder `features` in the user's cache folder. */
export function defaultFeatureFolder(): string {
  return join(envPaths("kindling", { suffix: "" }).cache, "features");
}

/**
 * The features that one model gives for pictures that are prepared in one way, by a hash of where each picture comes from: a
 * file by its path, size and time of change, other pictures by their bytes. What comes from the network is not kept.
 */
export class FeatureCache {
  readonly #path: string;
  readonly #numFeatures: number;
  readonly #features: Map<string, Float32Array>;

  private constructor(path: string, numFeatures: number, features: Map<string, Float32Array>) {
    this.#path = path;
    this.#numFeatures = numFeatures;
    this.#features = features;
  }

  /**
   * @param folder where the files lie, one for each model and preparation
   * @param model the bytes of the model, weights included, or of a hash of them
   * @param preparation all that decides over the model's input besides the picture, as JSON can hold it
   */
  static async open(
    folder: string,
    model: Uint8Array,
    preparation: object,
    numFeatures: number,
  ): Promise<FeatureCache> {
    const hash = createHash("sha256")
      .update(model)
      .update(JSON.stringify([VERSION, preparation]))
      .digest("hex");
    const path = join(folder, `${hash}.safetensors`);
    return new FeatureCache(path, numFeatures, await read(path, numFeatures));
  }

  /** The name under which a picture's features are kept; undefined for one that is not. */
  async keyOf(source: ImageSource): Promise<string | undefined> {
    const resolved = resolveSource(source);
    const hash = createHash("sha256");
    switch (resolved.kind) {
      case "url":
        return undefined;
      case "path": {
        const status = await stat(resolved.path, { bigint: true }).catch(() => undefined);
        if (status === undefined) return undefined;
        return hash.update(`${resolve(resolved.path)}\0${status.size}\0${status.mtimeNs}`).digest("hex");
      }
      case "bytes":
        return hash.update(resolved.bytes).digest("hex");
      case "pixels": {
        const { data, width, height, channels } = resolved.pixels;
        return hash.update(`${width} ${height} ${channels}\0`).update(data).digest("hex");
      }
    }
  }

  get(key: string | undefined): Float32Array | undefined {
    return key === undefined ? undefined : this.#features.get(key);
  }

  set(key: string | undefined, features: Float32Array): void {
    if (key !== undefined) this.#features.set(key, features);
  }

  /** @throws CheckpointError `ERR_FILE_WRITE` */
  async save(): Promise<void> {
    const keys = Buffer.from([...this.#features.keys()].join(""), "hex");
    const data = new Float32Array(this.#features.size * this.#numFeatures);
    [...this.#features.values()].forEach((features, i) => data.set(features, i * this.#numFeatures));
    const bytes = encodeSafetensors({
      features: { dtype: "F32", shape: [this.#features.size, this.#numFeatures], data },
      keys: { dtype: "U8", shape: [this.#features.size, KEY_BYTES], data: new Uint8Array(keys) },
    });
    await writeFileAtomically(this.#path, bytes);
  }
}

/** A file that is damaged counts as none: it is written anew. */
async function read(path: string, numFeatures: number): Promise<Map<string, Float32Array>> {
  try {
    const { features, keys } = decodeSafetensors(await readFile(path), path).tensors;
    const [data, names] = [features!.data as Float32Array, Buffer.from(keys!.data as Uint8Array)];
    return new Map(
      Array.from({ length: keys!.shape[0]! }, (_, i) => [
        names.toString("hex", i * KEY_BYTES, (i + 1) * KEY_BYTES),
        data.subarray(i * numFeatures, (i + 1) * numFeatures),
      ]),
    );
  } catch (error) {
    if (error instanceof KindlingError || (error as NodeJS.ErrnoException).code === "ENOENT")
      return new Map();
    throw error;
  }
}

/** A hash of a module's weights with their names. */
export function hashOf(module: AnyModule): Uint8Array {
  const hash = createHash("sha256");
  for (const [name, tensor] of Object.entries(module.stateDict())) {
    const { buffer, byteOffset, byteLength } = tensor.dataSync();
    hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest();
}
