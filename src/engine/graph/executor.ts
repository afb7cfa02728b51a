/** Compiles pending graphs, once per structure, and runs them. */
import { OrtArray, Session } from "../runtime/index.js";
import type { EngineStats } from "../stats.js";
import { encodeModel, type ModelNode, type NamedValue } from "./onnx_model.js";
import type { GraphNode, Value } from "./value.js";

/** A graph with every value numbered in the order of its first appearance. */
interface Plan {
  nodes: GraphNode[];
  feeds: Value[];
  constants: Value[];
  names: Map<Value, string>;
  key: string;
}

export class Executor {
  readonly #sessions = new Map<string, Session>();
  readonly #stats: EngineStats;
  readonly #maxSessions: number;

  /** @param maxSessions compiled graphs to keep; the one unused for longest goes first */
  constructor(stats: EngineStats, maxSessions: number) {
    this.#stats = stats;
    this.#maxSessions = maxSessions;
  }

  /** Computes the arrays of all the given values in one run. */
  run(roots: readonly Value[]): void {
    const outputs = [...roots].sort((a, b) => a.node!.id - b.node!.id);
    const plan = makePlan(outputs);
    const session = this.#sessionFor(plan, outputs);
    const feeds = plan.feeds.map((feed) => feed.array!);
    const start = performance.now();
    const results = session.run(
      feeds,
      outputs.map(({ type, shape }) => OrtArray.allocate(type, shape)),
    );
    outputs.forEach((value, i) => {
      value.array = results[i]!;
      value.node = undefined;
    });
    this.#stats.runs++;
    this.#stats.runMs += performance.now() - start;
    this.#stats.lastGraphNodes = plan.nodes.length;
  }

  dispose(): void {
    for (const session of this.#sessions.values()) session.dispose();
    this.#sessions.clear();
    this.#stats.cachedSessions = 0;
  }

  #sessionFor(plan: Plan, outputs: readonly Value[]): Session {
    let session = this.#sessions.get(plan.key);
    if (session === undefined) {
      const start = performance.now();
      session = new Session(modelOf(plan, outputs));
      this.#stats.compiles++;
      this.#stats.compileMs += performance.now() - start;
    } else {
      this.#sessions.delete(plan.key);
    }
    this.#sessions.set(plan.key, session);
    for (const [key, oldest] of this.#sessions) {
      if (this.#sessions.size <= this.#maxSessions) break;
      oldest.dispose();
      this.#sessions.delete(key);
    }
    this.#stats.cachedSessions = this.#sessions.size;
    return session;
  }
}

/** The nodes that the outputs need, inputs first, and a key that two graphs share exactly if one session serves both. */
function makePlan(outputs: readonly Value[]): Plan {
  const plan: Plan = { nodes: [], feeds: [], constants: [], names: new Map(), key: "" };
  const key: (number | string)[] = [];
  const visited = new Set<GraphNode>();
  const stack: GraphNode[] = [];
  for (const output of outputs) {
    stack.push(output.node!);
    while (stack.length > 0) {
      const node = stack.at(-1)!;
      if (visited.has(node)) {
        stack.pop();
        continue;
      }
      const waiting = stack.length;
      for (const input of node.inputs) {
        if (input.node !== undefined && !visited.has(input.node)) stack.push(input.node);
      }
      if (stack.length > waiting) continue;
      stack.pop();
      visited.add(node);
      addNode(plan, key, node);
    }
  }
  for (const output of outputs) key.push(plan.names.get(output)!);
  plan.key = key.join(" ");
  return plan;
}

function addNode(plan: Plan, key: (number | string)[], node: GraphNode): void {
  key.push("/", node.signature);
  for (const input of node.inputs) {
    let name = plan.names.get(input);
    if (name === undefined) {
      if (input.constant !== undefined) {
        name = `c${plan.constants.push(input)}`;
      } else {
        name = `i${plan.feeds.push(input)}`;
        key.push(input.type, input.shape.join("x"));
      }
      plan.names.set(input, name);
    }
    if (input.constant === undefined) key.push(name);
  }
  plan.nodes.push(node);
  node.outputs.forEach((output, i) => plan.names.set(output, `n${plan.nodes.length}_${i}`));
}

function modelOf(plan: Plan, outputs: readonly Value[]): Uint8Array {
  const named = (value: Value): NamedValue => ({ name: plan.names.get(value)!, value });
  const used = new Set<Value>(outputs);
  for (const node of plan.nodes) for (const input of node.inputs) used.add(input);
  const nodes = plan.nodes.map((node): ModelNode => ({
    operator: node.operator,
    inputs: node.inputs.map((input) => plan.names.get(input)!),
    outputs: node.outputs
      .filter((output, i) => i === 0 || !node.optionalOutputs || used.has(output))
      .map((output) => plan.names.get(output)!),
    attributes: node.attributes,
  }));
  return encodeModel(nodes, plan.feeds.map(named), outputs.map(named), plan.constants.map(named));
}
