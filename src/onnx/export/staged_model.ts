/** A model on its way to its file: it can be run before anything is where the old one was. */
import { mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { writeFileAtomically } from "../../atomic_write.js";
import { CheckpointError } from "../../errors.js";
import { encodeModel, encodeOnnx, lengthOf, MAX_BYTES } from "../format/encode.js";
import type { OnnxModel } from "../format/model.js";
import { writeOnnx, type WriteOnnxOptions } from "../write.js";

export interface StagedModel {
  /** What ONNX Runtime is to open: bytes, or a path where the arrays lie in a second file. */
  source: Uint8Array | string;
  /** The size of all files. */
  bytes: number;
  /** Puts the model in its place. */
  commit: () => Promise<void>;
  /** Forgets it; does nothing once it is in its place. */
  discard: () => Promise<void>;
}

/** @throws CheckpointError `ERR_FILE_WRITE` */
export async function stageModel(
  path: string,
  model: OnnxModel,
  externalData: NonNullable<WriteOnnxOptions["externalData"]>,
): Promise<StagedModel> {
  const isExternal =
    externalData === true || (externalData === "auto" && lengthOf(encodeModel(model)) > MAX_BYTES);
  if (isExternal) return stageFiles(resolve(path), model);
  const source = encodeOnnx(model);
  const commit = () => writeFileAtomically(path, source);
  return { source, bytes: source.byteLength, commit, discard: () => Promise.resolve() };
}

/** The files know one another by name: they are written in a folder of their own and moved together. */
async function stageFiles(path: string, model: OnnxModel): Promise<StagedModel> {
  const [folder, name] = [dirname(path), basename(path)];
  const staging = await attempt(path, async () => {
    await mkdir(folder, { recursive: true });
    return mkdtemp(join(folder, `.${name}.`));
  });
  const source = join(staging, name);
  const files = [`${name}_data`, name];
  const discard = () => rm(staging, { recursive: true, force: true });
  try {
    await writeOnnx(source, model, { externalData: true });
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(staging, file))).size));
    const commit = () =>
      attempt(path, async () => {
        for (const file of files) await rename(join(staging, file), join(folder, file));
        await discard();
      });
    return { source, bytes: sizes.reduce((a, b) => a + b), commit, discard };
  } catch (error) {
    await discard();
    throw error;
  }
}

async function attempt<T>(path: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    throw new CheckpointError(
      "ERR_FILE_WRITE",
      `${path} could not be written: ${(error as Error).message}.`,
      {
        cause: error,
      },
    );
  }
}
