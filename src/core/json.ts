/** Any value as JSON: what JSON cannot hold is named instead of lost or refused. */
import { isPlainObject } from "../nested.js";

/** Objects of classes become `"[ClassName]"`, functions `"[function name]"`, and numbers JSON lacks their names. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(toJsonValue(value, []), undefined, indent);
}

function toJsonValue(value: unknown, parents: readonly unknown[]): unknown {
  if (parents.includes(value)) return "[circular]";
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "function") return `[function ${value.name}]`;
  if (typeof value !== "object" || value === null) return value;
  const inside = [...parents, value];
  if (Array.isArray(value)) return value.map((item) => toJsonValue(item, inside));
  if (!isPlainObject(value)) return `[${value.constructor.name}]`;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJsonValue(item, inside)]));
}
