/** Elementwise arithmetic of pictures of which at least one is blocked, where the result can be blocked too. */
import { Value } from "../graph/value.js";
import { identityOrder, logicalShape, type Laid } from "../layout.js";
import { addInPass, affine, shiftInPass } from "./channels.js";
import { inBlocks } from "./layout.js";

/** The operands side by side in blocks, or undefined where they need another layout. */
export function blockedOperands(a: Laid, b: Laid): { a: Value; b: Value; like: Laid } | undefined {
  const like = a.blocked === true ? a : b;
  if (like.blocked !== true) return undefined;
  const other = like === a ? b : a;
  if (other.value.size === 1 && other.value.shape.length <= 4) return { a: a.value, b: b.value, like };
  const order = like.order ?? identityOrder(4);
  const sameOrder = other.blocked !== true || sameNumbers(other.order ?? identityOrder(4), order);
  if (!sameOrder || !sameNumbers(logicalShape(other), logicalShape(like))) return undefined;
  return { a: inBlocks(a, order), b: inBlocks(b, order), like };
}

/** The sum, with the work of the convolution before it; undefined where there is none, or a layout is in the way. */
export function blockedSum(a: Laid, b: Laid): Laid | undefined {
  const vector = withChannels("Add", a, b);
  if (vector !== undefined) return vector;
  const operands = blockedOperands(a, b);
  if (operands === undefined || operands.a.size !== operands.b.size) return undefined;
  // The later one: a convolution that led to the other operand would have to be computed for it as well.
  const [later, earlier] = laterFirst(operands.a, operands.b);
  const value = addInPass(later, earlier);
  return value && { ...operands.like, value };
}

/** The product with one number for each channel; undefined where the operands are not that. */
export function blockedProduct(a: Laid, b: Laid): Laid | undefined {
  return withChannels("Mul", a, b);
}

function withChannels(operator: "Add" | "Mul", a: Laid, b: Laid): Laid | undefined {
  const [picture, vector] = a.blocked === true ? [a, b] : [b, a];
  const channels = picture.value.shape[1];
  const fits =
    picture.blocked === true &&
    picture.order?.[1] === 3 &&
    vector.order === undefined &&
    vector.value.size === channels &&
    vector.value.shape.at(-1) === channels;
  if (!fits) return undefined;
  const neutral = () =>
    new Value([channels], "float32", new Array<number>(channels).fill(operator === "Add" ? 1 : 0));
  const value =
    operator === "Add"
      ? (shiftInPass(picture.value, vector.value) ?? affine(picture.value, neutral(), vector.value))
      : affine(picture.value, vector.value, neutral());
  return { ...picture, value };
}

function laterFirst(a: Value, b: Value): [Value, Value] {
  return (a.node?.id ?? -1) > (b.node?.id ?? -1) ? [a, b] : [b, a];
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
