/** Runs the nodes of an imported model one after the other; the engine records what they compute. */
import type { OnnxGraph } from "./format/model.js";
import type { FlatGraph, FlatNode } from "./graph/flatten.js";
import { computeNode } from "./operators/compute_node.js";
import { OperatorContext, type LayerMode } from "./operators/context.js";
import type { OnnxValue } from "./values.js";

/** Values by name: every graph of a model has names of its own. */
type Values = Map<string, OnnxValue>;

interface Plan {
  readonly graph: FlatGraph;
  readonly steps: readonly OperatorContext[];
}

/** Nodes in the rounds of loops within loops: no graph of so many would be compiled in any time. */
const MAX_STEPS = 200_000;

/** A graph that is ready to run, with those in attributes of its nodes. */
export class Interpreter {
  readonly #plans = new Map<FlatGraph | OnnxGraph, Plan>();
  /** The values of the run that is under way: tracing is synchronous. */
  #values: Values = new Map();
  /** How many nodes have run since it began. */
  #steps = 0;

  /** @param modeOf called once for each node, in the order in which they run */
  constructor(
    graph: FlatGraph,
    subgraphs: ReadonlyMap<OnnxGraph, FlatGraph>,
    modeOf: (node: FlatNode) => LayerMode,
  ) {
    const prepare = (key: FlatGraph | OnnxGraph, within: FlatGraph): void => {
      const steps: OperatorContext[] = [];
      this.#plans.set(key, { graph: within, steps });
      for (const node of within.nodes) {
        steps.push(new OperatorContext(node, node.opset, modeOf(node), this.#runSubgraph));
        for (const attribute of node.attributes.values()) {
          if (attribute.kind === "graph") prepare(attribute.value, subgraphs.get(attribute.value)!);
        }
      }
    };
    prepare(graph, graph);
  }

  /** The outputs of a graph. @param values the constants and inputs, which the values of the run are added to */
  run(graph: FlatGraph, values: Values): OnnxValue[] {
    const outer = this.#values;
    this.#values = values;
    this.#steps = 0;
    try {
      return this.#run(this.#plans.get(graph)!);
    } finally {
      this.#values = outer;
    }
  }

  #run({ graph, steps }: Plan): OnnxValue[] {
    const values = this.#values;
    for (const context of steps) {
      const { inputs, outputs } = context.node;
      if (++this.#steps > MAX_STEPS) {
        throw context.unsupported(`loops around it take more than ${MAX_STEPS} operators`);
      }
      const results = computeNode(
        inputs.map((name) => (name === "" ? undefined : values.get(name))),
        context,
      );
      outputs.forEach((name, i) => name !== "" && values.set(name, results[i]!));
    }
    return graph.outputs.map((name) => values.get(name)!);
  }

  readonly #runSubgraph = (subgraph: OnnxGraph, inputs: readonly OnnxValue[]): OnnxValue[] => {
    const plan = this.#plans.get(subgraph)!;
    plan.graph.inputs.forEach((name, i) => {
      const input = inputs[i];
      if (input !== undefined) this.#values.set(name, input);
    });
    return this.#run(plan);
  };
}
