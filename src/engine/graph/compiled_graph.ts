/** What is kept of graphs that have been compiled. */
import { OrtArray, type Session } from "../runtime/index.js";
import { FrozenGraph, type Model } from "./frozen_graph.js";
import type { KernelCall } from "./kernel_call.js";
import { Value, type ValueType } from "./value.js";

/** A session, for graphs that differ in nothing but the size of their batches. */
export class CompiledModel {
  readonly session: Session;
  readonly frozen: FrozenGraph;
  readonly nodeCount: number;
  /** By the lengths of what they are fed. */
  readonly graphs = new Map<string, CompiledGraph>();
  isDisposed = false;

  constructor(session: Session, model: Model, nodeCount: number) {
    this.session = session;
    this.frozen = new FrozenGraph(model);
    this.nodeCount = nodeCount;
  }

  dispose(): void {
    this.isDisposed = true;
    this.session.dispose();
    this.frozen.dispose();
  }
}

/** A graph of fixed shapes, and the session that computes it. */
export class CompiledGraph {
  readonly compiled: CompiledModel;
  readonly outputs: readonly {
    type: ValueType;
    shape: readonly number[];
    /** The shape under which the session computes it. */
    computedShape: readonly number[];
    call: KernelCall | undefined;
  }[];
  /** What the session is fed last. */
  readonly shapes: readonly Value[];
  /** The calls that its nodes came from when it was recorded last. */
  calls: readonly (KernelCall | undefined)[] = [];
  /** How long its last run took. */
  lastMs = Infinity;

  constructor(compiled: CompiledModel, model: Model, outputs: readonly Value[], shapes: readonly Value[]) {
    this.compiled = compiled;
    this.outputs = outputs.map(({ type, shape, node }, i) => {
      return { type, shape, computedShape: model.outputs[i]!.value.shape, call: node?.call };
    });
    this.shapes = shapes.map(fed);
  }

  get isDisposed(): boolean {
    return this.compiled.isDisposed;
  }
}

/** A shape as a session is fed it. */
function fed({ shape, type, constant }: Value): Value {
  const value = new Value(shape, type);
  value.array = OrtArray.wrap("int64", BigInt64Array.from(constant!, BigInt), [...shape]);
  return value;
}
