/**
 * Watching the forward passes of a module tree. A module's `forward` is called directly, so there is no place between the
 * caller and it: while it is watched, an instance has a `forward` of its own that tells the observer and calls the class's.
 */
import type { AnyModule } from "./module.js";

/** What is passed on in place of an input or output. */
export interface ForwardObserver {
  /** @param name the module's, as in `namedModules` */
  onInput(name: string, module: AnyModule, input: unknown): unknown;
  onOutput(name: string, module: AnyModule, output: unknown): unknown;
}

type Forward = (...args: unknown[]) => unknown;

/** Runs a function while the observer sees every forward pass of a module and of all below it. */
export function observeForward<T>(root: AnyModule, observer: ForwardObserver, body: () => T): T {
  const undo = [...root.namedModules()].map(([name, module]) => observe(name, module, observer));
  try {
    return body();
  } finally {
    for (const restore of undo) restore();
  }
}

function observe(name: string, module: AnyModule, observer: ForwardObserver): () => void {
  const own = Object.getOwnPropertyDescriptor(module, "forward");
  const forward = (module.forward as Forward).bind(module);
  const observed: Forward = (input, ...others) => {
    const output = forward(observer.onInput(name, module, input), ...others);
    return observer.onOutput(name, module, output);
  };
  Object.defineProperty(module, "forward", { value: observed, configurable: true, writable: true });
  return () => {
    if (own === undefined) delete (module as { forward?: unknown }).forward;
    else Object.defineProperty(module, "forward", own);
  };
}
