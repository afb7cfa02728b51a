/** Trained tasks as files: which task one holds, and the task in it. */
import { ConfigurationError } from "../errors.js";
import { readTaskName } from "../tasks/task_file.js";
import { tasks, type RunnableTask, type TaskCommand } from "./tasks.js";

export interface LoadedTask {
  command: TaskCommand;
  task: RunnableTask;
}

/**
 * @throws CheckpointError `ERR_TASK_FILE` for a file that is no saved task
 * @throws ConfigurationError `ERR_UNKNOWN_TASK` for one that the command line does not know
 */
export async function loadTask(path: string): Promise<LoadedTask> {
  const className = await readTaskName(path);
  const command = Object.values(tasks).find((task) => task.className === className);
  if (command === undefined) {
    throw new ConfigurationError("ERR_UNKNOWN_TASK", `${path} holds a ${className}, which has no command.`);
  }
  const library = (await import("../index.js")) as unknown as Record<
    string,
    { load: (path: string) => Promise<RunnableTask> }
  >;
  return { command, task: await library[className]!.load(path) };
}
