/** How tasks on a text backbone are saved to one file and come back. */
import { restoreTextBackbone } from "../../backbones/text/registry.js";
import type { TextBackbone } from "../../backbones/text/text_backbone.js";
import type { Linear, Module } from "../../nn/index.js";
import { headOf, stateOwner } from "../head_state.js";
import { readTaskFile, restoreState, writeTaskFile } from "../task_file.js";

/** What the file says of a task besides its weights. */
interface SavedTextTask<Options> {
  options: Options;
  backbone: { name: string; kind: string; options: unknown; pretrained: boolean };
}

type TextTask = Module<never, unknown> & { readonly head: Linear };

/** @throws CheckpointError `ERR_FILE_WRITE` */
export async function saveTextTask<Options>(
  path: string,
  taskName: string,
  task: TextTask,
  source: TextBackbone,
  options: Options,
): Promise<void> {
  const { name, saved, preprocessor, pretrained } = source;
  const config: SavedTextTask<Options> = {
    options,
    backbone: { name, kind: saved?.kind ?? name, options: saved?.options, pretrained },
  };
  const weights = saved?.filesWithWeights?.();
  const files = { ...preprocessor.files(), ...(weights ?? saved?.files?.()) };
  await writeTaskFile(path, taskName, config, weights === undefined ? task : headOf(task), files);
}

/**
 * @param create makes the task anew, with its backbone
 * @param backbone the same backbone again, where the task was made with one of its own
 * @throws CheckpointError as `readTaskFile` does
 */
export async function loadTextTask<Options, Task extends TextTask>(
  path: string,
  taskName: string,
  backbone: TextBackbone | undefined,
  create: (options: Options & { backbone: TextBackbone }) => Task,
): Promise<Task> {
  const { config, state, files } = await readTaskFile(path, taskName);
  const { options, backbone: saved } = config as SavedTextTask<Options>;
  const restored = backbone ?? restoreTextBackbone(saved.name, saved, files);
  const task = create({ ...options, backbone: { ...restored, pretrained: saved.pretrained } });
  restoreState(stateOwner(task, state), state);
  return task;
}
