/** Nodes in an order in which they can run. */
import { OnnxError } from "../../errors.js";
import { describeNode } from "../operators/context.js";
import type { OnnxNode } from "../format/model.js";

/** A node with the names of the values that it needs and gives. */
export interface SortedNode {
  readonly node: OnnxNode;
  readonly needs: readonly string[];
  readonly gives: readonly string[];
}

/**
 * The nodes, each after those that give what it needs, and else in the order given. Most files are sorted already.
 *
 * @throws OnnxError `ERR_ONNX_GRAPH` for a cycle
 */
export function sortNodes<N extends SortedNode>(nodes: readonly N[]): N[] {
  const giver = new Map(nodes.flatMap(({ gives }, i) => gives.map((output) => [output, i] as const)));
  giver.delete("");
  const users: number[][] = nodes.map(() => []);
  const missing = nodes.map(({ needs }, i) => {
    const before = new Set(needs.flatMap((name) => giver.get(name) ?? []));
    for (const index of before) users[index]!.push(i);
    return before.size;
  });
  const ready = new Heap();
  missing.forEach((count, i) => count === 0 && ready.push(i));
  const sorted: N[] = [];
  for (let i = ready.pop(); i !== undefined; i = ready.pop()) {
    sorted.push(nodes[i]!);
    for (const user of users[i]!) if (--missing[user]! === 0) ready.push(user);
  }
  if (sorted.length === nodes.length) return sorted;
  const { node } = nodes[missing.findIndex((count) => count > 0)]!;
  throw new OnnxError(
    "ERR_ONNX_GRAPH",
    `${describeNode(node)} is in or behind a cycle: its inputs follow from its outputs. Export the model again.`,
  );
}

/** The smallest number first. */
class Heap {
  readonly #items: number[] = [];

  push(item: number): void {
    const items = this.#items;
    let i = items.push(item) - 1;
    for (; i > 0 && items[(i - 1) >> 1]! > item; i = (i - 1) >> 1) items[i] = items[(i - 1) >> 1]!;
    items[i] = item;
  }

  pop(): number | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (items.length === 0 || last === undefined) return first;
    let i = 0;
    for (let child = 1; child < items.length; child = 2 * i + 1) {
      if (child + 1 < items.length && items[child + 1]! < items[child]!) child++;
      if (items[child]! >= last) break;
      items[i] = items[child]!;
      i = child;
    }
    items[i] = last;
    return first;
  }
}
