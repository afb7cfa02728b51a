/** The classes that the catalog names, called with options by name: the tables list them, the classes check the rest. */
import type { DataModule } from "../core/index.js";
import type { DataFormat, RunnableTask, TaskEntry } from "./tasks.js";

type Options = Record<string, unknown>;

interface TaskClass {
  new (options: Options): RunnableTask;
  load: (path: string) => Promise<RunnableTask>;
}
type DataClass = Record<string, (options: Options) => Promise<DataModule>>;

/** Loading everything takes a second, which help and completion need not wait for. */
const kindling = () => import("../index.js");

export async function taskClass({ className }: TaskEntry): Promise<TaskClass> {
  return (await kindling())[className] as unknown as TaskClass;
}

/** @throws KindlingError as the data module does */
export async function readData(
  { dataName }: TaskEntry,
  { reader }: DataFormat,
  options: Options,
): Promise<DataModule> {
  return ((await kindling())[dataName] as unknown as DataClass)[reader]!(options);
}
