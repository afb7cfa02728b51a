/** Parameter groups of a running optimizer: adding parameters to it, and keeping the layout in checkpoints. */
import { CheckpointError } from "../../errors.js";
import type { AnyModule, Optimizer, Parameter } from "../../nn/index.js";

/** The names of each group's parameters. */
export type GroupLayout = string[][];

type Group = Optimizer["paramGroups"][number];

/** Parameters that the optimizer does not have yet, told apart by identity: equal values are no reason to leave one out. */
export function filterOnOptimizer(optimizer: Optimizer, parameters: readonly Parameter[]): Parameter[] {
  const known = new Set(optimizer.paramGroups.flatMap(({ params }) => params));
  return parameters.filter((parameter) => !known.has(parameter));
}

/**
 * Adds parameters in groups of their own. Options other than the learning rate are those of the first group that holds a
 * parameter of the same kind, a matrix or a vector, so that biases go on without weight decay where they had none.
 */
export function addParameters(optimizer: Optimizer, parameters: readonly Parameter[], lr: number): void {
  const templates = new Map<Group, Parameter[]>();
  const existing = [...optimizer.paramGroups];
  for (const parameter of parameters) {
    const isVector = parameter.rank <= 1;
    const isLike = ({ params }: Group) => params.some(({ rank }) => rank <= 1 === isVector);
    const template = existing.find(isLike) ?? existing[0]!;
    templates.set(template, [...(templates.get(template) ?? []), parameter]);
  }
  for (const [template, params] of templates) {
    optimizer.addParamGroup({ ...optionsOf(template), lr, params });
    setLearningRate(optimizer, optimizer.paramGroups.at(-1)!, lr);
  }
}

/** A group's options but for what is its own. */
function optionsOf(group: Group): Record<string, unknown> {
  const own = ["params", "name", "initialLr", "lr"];
  return Object.fromEntries(Object.entries(group).filter(([option]) => !own.includes(option)));
}

/** The groups that hold parameters of these modules and no others. */
export function groupsOf(optimizer: Optimizer, modules: readonly AnyModule[]): Group[] {
  const own = new Set(modules.flatMap((module) => module.parameters()));
  return optimizer.paramGroups.filter(({ params }) => params.every((parameter) => own.has(parameter)));
}

/**
 * Sets a group's learning rate for now. A scheduler that scales initial rates goes on from there in proportion to the first
 * group's.
 */
export function setLearningRate(optimizer: Optimizer, group: Group, lr: number): void {
  const { lr: firstLr, initialLr } = optimizer.paramGroups[0]!;
  group.lr = lr;
  if (initialLr === undefined) return;
  group.initialLr = firstLr === 0 ? lr : (lr * initialLr) / firstLr;
}

export function layoutOf(optimizer: Optimizer, module: AnyModule): GroupLayout {
  const names = new Map(Array.from(module.namedParameters(), ([name, parameter]) => [parameter, name]));
  return optimizer.paramGroups.map(({ params }) => params.map((parameter) => names.get(parameter) ?? ""));
}

/**
 * Gives an optimizer that has just been made the groups it had when the checkpoint was saved. Their options are restored
 * with the optimizer's own state.
 *
 * @throws CheckpointError `ERR_FINETUNING_STATE` where the module has no parameter of a saved name
 */
export function restoreLayout(optimizer: Optimizer, module: AnyModule, layout: GroupLayout): void {
  const parameters = new Map(module.namedParameters());
  const groups = layout.map((names) => names.map((name) => parameterNamed(name, parameters, module)));
  const existing = optimizer.paramGroups.length;
  groups.slice(0, existing).forEach((params, i) => (optimizer.paramGroups[i]!.params = params));
  for (const params of groups.slice(existing)) optimizer.addParamGroup({ params });
}

function parameterNamed(name: string, parameters: Map<string, Parameter>, module: AnyModule): Parameter {
  const parameter = parameters.get(name);
  if (parameter !== undefined) return parameter;
  throw new CheckpointError(
    "ERR_FINETUNING_STATE",
    `The checkpoint's optimizer has a parameter ${JSON.stringify(name)}, which ${module.constructor.name} has not. ` +
      "Build the module as it was when the checkpoint was saved.",
  );
}
