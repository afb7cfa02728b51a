/** The layers of a module, first ones first, and how they are frozen and freed. */
import { hasRunningStatistics, Module, type AnyModule, type Parameter } from "../../nn/index.js";

/** One module, or several, such as a backbone or a list of its blocks. */
export type Modules = AnyModule | Iterable<AnyModule>;

/** A part of a module with parameters of its own, such as a convolution or a batch norm. */
export interface Layer {
  name: string;
  parameters: Parameter[];
  /** The module itself, and modules without parameters (dropout, activations) up to the next layer. */
  modules: AnyModule[];
}

/** All modules in the given ones, each once, in the order of their definition. */
export function flattenModules(modules: Modules): AnyModule[] {
  const all = new Set<AnyModule>();
  for (const module of asList(modules)) for (const [, part] of module.namedModules()) all.add(part);
  return [...all];
}

/** The layers of a module in the order of their definition. Activations and containers have no weights and do not count. */
export function layersOf(module: AnyModule): Layer[] {
  const layers: Layer[] = [];
  let waiting: AnyModule[] = [];
  for (const [name, part] of module.namedModules()) {
    const parameters = ownParameters(part);
    if (parameters.length > 0) {
      layers.push({ name, parameters, modules: [...waiting, part] });
      waiting = [];
    } else if (layers.length === 0) waiting.push(part);
    else layers.at(-1)!.modules.push(part);
  }
  return layers;
}

/** Parameters that belong to a module itself and not to one below it. */
function ownParameters(module: AnyModule): Parameter[] {
  const below = new Set(Array.from(module.namedChildren()).flatMap(([, child]) => child.parameters()));
  return module.parameters().filter((parameter) => !below.has(parameter));
}

/** Whether a module is a batch norm: it has statistics that every training batch moves. */
export function isBatchNorm(module: AnyModule): boolean {
  return hasRunningStatistics(module);
}

/** Containers are modules and iterable: one of them is one module. */
export function asList(modules: Modules): AnyModule[] {
  return modules instanceof Module ? [modules] : [...modules];
}
