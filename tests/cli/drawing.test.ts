/** Drawn predictions have a file for each picture. */
import { join } from "node:path";
import { expect, it } from "vitest";
import type { LoadedTask } from "../../src/catalog/load_task.js";
import { findTask } from "../../src/catalog/tasks.js";
import { Drawing } from "../../src/cli/commands/drawing.js";

const loaded = (name: string, task: object): LoadedTask => ({
  entry: findTask(name),
  task: task as LoadedTask["task"],
});

it("pictures of the same name do not overwrite each other", async () => {
  const drawn: unknown[][] = [];
  const detector = { draw: (...args: unknown[]) => Promise.resolve(void drawn.push(args)) };
  const drawing = new Drawing(loaded("object-detector", detector), "boxes");
  const inputs = [
    "a/cat.jpg",
    "b/cat.jpg",
    "https://example.org/pets/dog.png?size=2",
    "https://example.org/",
  ];
  const paths: string[] = [];
  for (const input of inputs) paths.push(await drawing.draw(input, input.length));
  expect(paths).toEqual(
    ["cat.png", "cat-2.png", "dog.png", "picture.png"].map((name) => join("boxes", name)),
  );
  expect(drawn).toEqual(inputs.map((input, i) => [input, input.length, paths[i]]));
});

it("refuses a task whose predictions are no boxes", () => {
  expect(() => new Drawing(loaded("text-classifier", {}), "boxes")).toThrow("TextClassifier");
});
