/** Hyperparameters as trackers want them: a flat list of names with simple values. */
import { toJson } from "../json.js";
import { isPlainObject } from "../../nested.js";

export type HparamValue = number | string | boolean;

/** Nested objects become names with "/" between; what is no string, boolean or finite number is written as JSON. */
export function flattenHparams(
  hparams: Readonly<Record<string, unknown>>,
  path = "",
): Record<string, HparamValue> {
  const flat: Record<string, HparamValue> = {};
  for (const [key, value] of Object.entries(hparams)) {
    const name = `${path}${key}`;
    if (isPlainObject(value)) Object.assign(flat, flattenHparams(value, `${name}/`));
    else if (typeof value === "string" || typeof value === "boolean") flat[name] = value;
    else if (typeof value === "number") flat[name] = Number.isFinite(value) ? value : String(value);
    else if (value !== undefined) flat[name] = toJson(value);
  }
  return flat;
}
