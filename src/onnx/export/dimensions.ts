/**
 * Lengths that vary. The graph of a function is recorded at several lengths of its dynamic axes; a number that differs
 * between the recordings is computed, in the exported graph, from the shapes of values that are there already.
 */
import type { OnnxNode } from "../format/model.js";
import { addInitializer, freeName, makeNode, type ExportGraph } from "./export_graph.js";

/** A number as each recording has it. */
export type Observed = readonly number[];

/** The length of an axis of a value. */
interface Source {
  value: string;
  axis: number;
  /** The axis's own name, where it has one. */
  name: string | undefined;
}

/** Finds lengths in the shapes of values, and records how to compute what follows from them. */
export class Dimensions {
  readonly #graph: ExportGraph;
  readonly #sources = new Map<string, Source>();
  readonly #computed = new Map<string, string>();
  /** The observed lengths with a source, in the order in which they were found. */
  readonly #lengths: Observed[] = [];

  /**
   * Whether a number may be computed from lengths by a rule that fits, rather than be a length itself. Small numbers fit many
   * rules: a length that is still to come is the better answer.
   */
  allowsRules = false;

  /** @param graph gets the nodes that compute lengths, at its end */
  constructor(graph: ExportGraph) {
    this.#graph = graph;
  }

  /** Notes where a length can be read. The first source of a length is the one that is used. */
  add(value: string, axis: number, observed: Observed, name?: string): void {
    const key = observed.join();
    if (isConstant(observed) || this.#sources.has(key)) return;
    this.#sources.set(key, { value, axis, name });
    this.#lengths.push(observed);
  }

  /** The name of an axis of this length; undefined where it has none. */
  nameOf(observed: Observed): string | undefined {
    return this.#sources.get(observed.join())?.name;
  }

  /** The value, int64 [1], that holds a number; undefined where it follows from no length by a rule known here. */
  valueOf(observed: Observed): string | undefined {
    const key = observed.join();
    const known = this.#computed.get(key);
    if (known !== undefined) return known;
    const made = this.#make(observed);
    if (made !== undefined) this.#computed.set(key, made);
    return made;
  }

  /** The value, float32 or int32, that holds a single number which is not a length itself; undefined likewise. */
  scalarOf(observed: Observed, type: "float32" | "int32", shape: readonly number[]): string | undefined {
    const whole = observed.every(Number.isInteger) ? this.valueOf(observed) : undefined;
    if (whole !== undefined) return this.#shaped(this.cast(whole, type), shape);
    if (type === "int32" || !this.allowsRules) return undefined;
    for (const length of this.#products()) {
      const factor = sameRatio(observed, length);
      const share = sameProduct(observed, length);
      if (factor === undefined && share === undefined) continue;
      const float = this.cast(this.valueOf(length)!, "float32");
      const number = addInitializer(
        this.#graph,
        "factor",
        "float32",
        [1],
        Float32Array.of((factor ?? share)!),
      );
      const result =
        factor === undefined
          ? this.#emit("Div", [number, float], "float32")
          : this.#emit("Mul", [float, number], "float32");
      return this.#shaped(result, shape);
    }
    return undefined;
  }

  /** The numbers one after the other, int64 [count]; undefined where one of them follows from no length. */
  vectorOf(numbers: readonly Observed[]): string | undefined {
    const key = `vector ${numbers.map((observed) => observed.join()).join(" ")}`;
    const known = this.#computed.get(key);
    if (known !== undefined) return known;
    const parts: string[] = [];
    for (let i = 0; i < numbers.length;) {
      if (!isConstant(numbers[i]!)) {
        const value = this.valueOf(numbers[i]!);
        if (value === undefined) return undefined;
        parts.push(value);
        i++;
        continue;
      }
      const fixed: number[] = [];
      for (; i < numbers.length && isConstant(numbers[i]!); i++) fixed.push(numbers[i]![0]!);
      parts.push(this.constant(fixed));
    }
    const shape = [numbers.length];
    const vector = parts.length === 1 ? parts[0]! : this.#emit("Concat", parts, "int64", { axis: 0 }, shape);
    this.#computed.set(key, vector);
    return vector;
  }

  /** Known numbers, int64 [count]. */
  constant(numbers: readonly number[]): string {
    const key = `constant ${numbers.join()}`;
    const known = this.#computed.get(key);
    if (known !== undefined) return known;
    const data = BigInt64Array.from(numbers, BigInt);
    const name = addInitializer(this.#graph, "constant", "int64", [numbers.length], data);
    this.#computed.set(key, name);
    return name;
  }

  cast(value: string, type: "float32" | "int32" | "int64"): string {
    const key = `cast ${type} ${value}`;
    const known = this.#computed.get(key);
    if (known !== undefined) return known;
    const to = { float32: 1, int32: 6, int64: 7 }[type];
    const cast =
      this.#graph.values.get(value)!.type === type ? value : this.#emit("Cast", [value], type, { to });
    this.#computed.set(key, cast);
    return cast;
  }

  #make(observed: Observed): string | undefined {
    const source = this.#sources.get(observed.join());
    if (source !== undefined) {
      const { value, axis, name } = source;
      const output = freeName(this.#graph, name === undefined ? `${value}_length` : `${name}_length`);
      return this.#emit("Shape", [value], "int64", { start: axis, end: axis + 1 }, [1], output);
    }
    if (!this.allowsRules) return undefined;
    return this.#affine(observed) ?? this.#product(observed) ?? this.#quotient(observed);
  }

  /** factor · length + offset */
  #affine(observed: Observed): string | undefined {
    for (const length of this.#lengths) {
      const other = length.findIndex((item) => item !== length[0]);
      const factor = (observed[other]! - observed[0]!) / (length[other]! - length[0]!);
      const offset = observed[0]! - factor * length[0]!;
      if (factor === 0 || !Number.isInteger(factor)) continue;
      if (!observed.every((item, i) => item === factor * length[i]! + offset)) continue;
      let value = this.valueOf(length)!;
      if (factor !== 1) value = this.#emit("Mul", [value, this.constant([factor])]);
      return offset === 0 ? value : this.#emit("Add", [value, this.constant([offset])]);
    }
    return undefined;
  }

  /** factor · length · length */
  #product(observed: Observed): string | undefined {
    for (const [one, other, product] of this.#pairs()) {
      const factor = sameRatio(observed, product);
      if (factor === undefined || !Number.isInteger(factor)) continue;
      const value = this.#emit("Mul", [this.valueOf(one)!, this.valueOf(other)!]);
      return factor === 1 ? value : this.#emit("Mul", [value, this.constant([factor])]);
    }
    return undefined;
  }

  /** length / divisor, rounded down */
  #quotient(observed: Observed): string | undefined {
    for (const length of this.#lengths) {
      const ratio = length[0]! / observed[0]!;
      for (const divisor of new Set([Math.floor(ratio), Math.ceil(ratio), Math.round(ratio)])) {
        if (divisor < 2 || !observed.every((item, i) => item === Math.floor(length[i]! / divisor))) continue;
        return this.#emit("Div", [this.valueOf(length)!, this.constant([divisor])]);
      }
    }
    return undefined;
  }

  *#pairs(): Generator<[Observed, Observed, Observed]> {
    for (const [i, one] of this.#lengths.entries()) {
      for (const other of this.#lengths.slice(i)) {
        yield [one, other, one.map((item, k) => item * other[k]!)];
      }
    }
  }

  *#products(): Generator<Observed> {
    yield* this.#lengths;
    for (const [, , product] of this.#pairs()) yield product;
  }

  #shaped(value: string, shape: readonly number[]): string {
    if (shape.length === 1) return value;
    const { type } = this.#graph.values.get(value)!;
    return this.#emit(
      "Reshape",
      [value, this.constant(shape)],
      type as "int64",
      {},
      shape,
      freeName(this.#graph, `${value}_number`),
    );
  }

  #emit(
    operator: string,
    inputs: readonly string[],
    type: "int64" | "int32" | "float32" = "int64",
    attributes: Parameters<typeof makeNode>[3] = {},
    shape: readonly number[] = [1],
    output: string = freeName(this.#graph, `${inputs[0]!}_${operator.toLowerCase()}`),
  ): string {
    this.#graph.values.set(output, { type, shape: [...shape] });
    const node: OnnxNode = makeNode(operator, inputs, [output], attributes);
    this.#graph.nodes.push(node);
    return output;
  }
}

/** Whether a number is the same in all recordings. */
export function isConstant(observed: Observed): boolean {
  return observed.every((item) => item === observed[0]);
}

/** What all numbers are of the others, where that is one factor, up to what float32 rounds. */
function sameRatio(numbers: Observed, of: Observed): number | undefined {
  const factor = numbers[0]! / of[0]!;
  return numbers.every((item, i) => isClose(item, factor * of[i]!)) ? factor : undefined;
}

function sameProduct(numbers: Observed, by: Observed): number | undefined {
  const product = numbers[0]! * by[0]!;
  return numbers.every((item, i) => isClose(item * by[i]!, product)) ? product : undefined;
}

function isClose(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-6 * Math.max(Math.abs(a), Math.abs(b));
}
