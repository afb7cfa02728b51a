/** `task.serve`: a task goes into a temporary file, which a server's process of its own loads. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigurationError, KindlingError } from "../errors.js";
import type { RunningServer, ServeOptions } from "../serve/index.js";

/** Codes of `load` for a task whose backbone does not travel in its file. */
const OWN_BACKBONE = new Set(["ERR_BACKBONE_MISSING", "ERR_UNKNOWN_BACKBONE"]);

/**
 * @throws ConfigurationError `ERR_SERVE_BACKBONE` for a task with a backbone of one's own; `ERR_SERVE_OPTION`
 * @throws CheckpointError `ERR_FILE_WRITE`
 */
export async function serveTask(
  task: { save: (path: string) => Promise<void> },
  options: ServeOptions | undefined,
): Promise<RunningServer> {
  // The server knows all tasks, so that a task may only ask for it when it is served.
  const { serve } = await import("../serve/index.js");
  const folder = await mkdtemp(join(tmpdir(), "kindling-serve-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const path = join(folder, `${nameOf(task)}.kindling`);
    await task.save(path);
    const server = await serve(path, options);
    return { url: server.url, close: () => server.close().finally(remove) };
  } catch (error) {
    await remove();
    if (!(error instanceof KindlingError) || !OWN_BACKBONE.has(error.code)) throw error;
    throw new ConfigurationError(
      "ERR_SERVE_BACKBONE",
      "The task's backbone is your own, and the process that is to serve it cannot make it again from a file. Give " +
        "`createHandler` a predictor that calls this task.",
      { cause: error },
    );
  }
}

/** `ImageClassifier` is served as `image-classifier`. */
function nameOf(task: object): string {
  return task.constructor.name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, "-").toLowerCase();
}
