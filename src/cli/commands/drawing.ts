/** Pictures with what was found in them, each under its own name in one folder. */
import { join, parse } from "node:path";
import type { LoadedTask } from "../../catalog/load_task.js";
import { ConfigurationError } from "../../errors.js";

interface DrawingTask {
  draw?: (input: string, prediction: unknown, path: string) => Promise<void>;
}

export class Drawing {
  readonly #task: Required<DrawingTask>;
  readonly #folder: string;
  /** How many pictures have had each name. */
  readonly #names = new Map<string, number>();

  /** @throws ConfigurationError `ERR_PREDICT_OPTION` for a task whose predictions cannot be drawn */
  constructor({ entry, task }: LoadedTask, folder: string) {
    if ((task as DrawingTask).draw === undefined) {
      throw new ConfigurationError(
        "ERR_PREDICT_OPTION",
        `The predictions of this model, of the class ${entry.className}, cannot be drawn: leave out --draw.`,
      );
    }
    this.#task = task as unknown as Required<DrawingTask>;
    this.#folder = folder;
  }

  /** @returns the path of the PNG: the picture's name, with a number where another had the same */
  async draw(input: string, prediction: unknown): Promise<string> {
    const { name } = parse(/^https?:/i.test(input) ? new URL(input).pathname : input);
    const count = (this.#names.get(name) ?? 0) + 1;
    this.#names.set(name, count);
    const path = join(this.#folder, `${name || "picture"}${count > 1 ? `-${count}` : ""}.png`);
    await this.#task.draw(input, prediction, path);
    return path;
  }
}
