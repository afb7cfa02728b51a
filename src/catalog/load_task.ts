/** Trained tasks as files: which task one holds, and the task in it. */
import { ConfigurationError } from "../errors.js";
import { readTaskName } from "../tasks/task_file.js";
import { taskClass } from "./task_classes.js";
import { tasks, type RunnableTask, type TaskEntry } from "./tasks.js";

export interface LoadedTask {
  entry: TaskEntry;
  task: RunnableTask;
}

/**
 * @throws CheckpointError `ERR_TASK_FILE` for a file that is no saved task
 * @throws ConfigurationError `ERR_UNKNOWN_TASK` for one that is not in the catalog
 */
export async function loadTask(path: string): Promise<LoadedTask> {
  const className = await readTaskName(path);
  const entry = Object.values(tasks).find((task) => task.className === className);
  if (entry === undefined) {
    throw new ConfigurationError(
      "ERR_UNKNOWN_TASK",
      `${path} holds a ${className}, which is not known here.`,
    );
  }
  return { entry, task: await (await taskClass(entry)).load(path) };
}
