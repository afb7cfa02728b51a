/** What the backend holds for one TF.js data id. */
import type { Laid } from "../layout.js";
import type { OrtArray } from "../runtime/index.js";
import type { ComputedOutput } from "./program.js";

export class Entry {
  references: number;
  /** Which result of the calls since the last run this is, counted over all calls. */
  result: number | undefined;
  /** What the graph will give, while it is replayed and so has no values yet. */
  awaited: ComputedOutput | undefined;
  /** Where its array is to be computed; anywhere if undefined. */
  target: OrtArray | undefined;
  #laid: Laid | undefined;

  constructor(laid: Laid | undefined, references: number) {
    this.references = references;
    this.laid = laid;
  }

  /** Whether its array is there: false for what a graph, recorded or replayed, is still to compute. */
  get isComputed(): boolean {
    return this.#laid !== undefined && this.#laid.value.node === undefined;
  }

  /** The value and its layout; undefined while it is awaited, and once nobody refers to this entry. */
  get laid(): Laid | undefined {
    return this.#laid;
  }

  set laid(next: Laid | undefined) {
    if (next !== undefined) next.value.holders++;
    if (this.#laid !== undefined) this.#laid.value.holders--;
    this.#laid = next;
    if (next !== undefined) this.awaited = undefined;
  }
}
