/** What of a task's state its file holds, where the backbone's weights are in a file of their own, such as an ONNX model. */
import type { Linear, Module } from "../nn/index.js";
import { PartsOnly } from "./parts_only.js";

/** A task of a backbone and a head. */
type Task = Module<never, unknown> & { readonly head: Linear };

/** A task without its backbone: a module whose state is the head's, under the task's names. */
export function headOf(task: Task): Module<never, unknown> {
  return new PartsOnly([["head", task.head]]);
}

/** What of a task a saved state is for: all of it, or the head where that state holds no more. */
export function stateOwner(task: Task, state: Readonly<Record<string, unknown>>): Module<never, unknown> {
  const holdsBackbone = Object.keys(state).some((name) => name.startsWith("backbone."));
  return holdsBackbone ? task : headOf(task);
}
