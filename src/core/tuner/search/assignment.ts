/** A trial's parameters as one flat object, which is how samplers and the journal hold them. */
import type { CategoricalParameter, Choice, FloatParameter, IntParameter, SearchSpace } from "./space.js";

/**
 * Values by path: `{ lr: 0.01, optimizer: "sgd", "optimizer.sgd.momentum": 0.9 }`. A branch is named by its parameter,
 * and only the parameters of branches that were taken are there.
 */
export type Assignment = Readonly<Record<string, Choice>>;

/** A parameter that has a value itself. A conditional one is a choice among its branches' names. */
export interface Dimension {
  path: string;
  parameter: FloatParameter | IntParameter | CategoricalParameter;
  /** The spaces behind the choices, where there are such. */
  branches?: Readonly<Record<string, SearchSpace>>;
}

/** The parameters at one level of nesting: these always come together. */
export function dimensionsOf(space: SearchSpace, prefix = ""): Dimension[] {
  return Object.entries(space).map(([name, parameter]): Dimension => {
    const path = prefix + name;
    if (parameter.type !== "conditional") return { path, parameter };
    const { branches } = parameter;
    return { path, parameter: { type: "categorical", choices: Object.keys(branches) }, branches };
  });
}

/** What lies behind a choice, and the prefix of its parameters' paths. */
export function branchOf(
  { path, branches }: Dimension,
  choice: Choice | undefined,
): [space: SearchSpace, prefix: string] | undefined {
  const space = branches?.[String(choice)];
  return space && [space, `${path}.${String(choice)}.`];
}

/** Every parameter that a trial can have. */
export function allDimensions(space: SearchSpace, prefix = ""): Dimension[] {
  return dimensionsOf(space, prefix).flatMap((dimension) => [
    dimension,
    ...Object.entries(dimension.branches ?? {}).flatMap(([name, inner]) =>
      allDimensions(inner, `${dimension.path}.${name}.`),
    ),
  ]);
}

/** Chooses values level by level: `choose` gets the parameters that come together. */
export function assign(
  space: SearchSpace,
  choose: (dimensions: readonly Dimension[]) => Assignment,
): Assignment {
  const chooseLevel = (level: SearchSpace, prefix: string): Assignment => {
    const dimensions = dimensionsOf(level, prefix);
    if (dimensions.length === 0) return {};
    const chosen = choose(dimensions);
    const inner = dimensions.map((dimension) => {
      const branch = branchOf(dimension, chosen[dimension.path]);
      return branch === undefined ? {} : chooseLevel(...branch);
    });
    return Object.assign({}, chosen, ...inner) as Assignment;
  };
  return chooseLevel(space, "");
}

/** The assignment as the objective gets it. */
export function nest(space: SearchSpace, assignment: Assignment, prefix = ""): Record<string, unknown> {
  return Object.fromEntries(
    dimensionsOf(space, prefix).map((dimension) => {
      const value = assignment[dimension.path];
      const branch = branchOf(dimension, value);
      const name = dimension.path.slice(prefix.length);
      return [
        name,
        branch === undefined ? value : { name: value, ...nest(branch[0], assignment, branch[1]) },
      ];
    }),
  );
}
