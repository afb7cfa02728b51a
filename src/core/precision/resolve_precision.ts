/** From the option `precision` to its plugin. */
import { ConfigurationError, describeChoices } from "../../errors.js";
import { MixedPrecision } from "./mixed_precision.js";
import { Precision, type PrecisionName } from "./precision.js";

/** A precision as it is given: by name, or by its bits. */
export type PrecisionOption = PrecisionName | 32 | 16 | "32" | "16";

const plugins: Record<PrecisionName, () => Precision> = {
  "32-true": () => new Precision(),
  "16-mixed": () => new MixedPrecision(),
};
const names = Object.keys(plugins) as PrecisionName[];
const aliases: Record<string, PrecisionName> = { "32": "32-true", "16": "16-mixed" };

/** @throws ConfigurationError `ERR_STRATEGY_OPTION` for a precision that does not exist, with those that do */
export function resolvePrecision(precision: PrecisionOption = "32-true"): Precision {
  const given = String(precision);
  const name = aliases[given] ?? given;
  if (Object.hasOwn(plugins, name)) return plugins[name as PrecisionName]();
  throw new ConfigurationError(
    "ERR_STRATEGY_OPTION",
    `There is no precision ${JSON.stringify(precision)}: graphs compute in float32 or, on devices that can, in float16. ` +
      describeChoices(given, names),
  );
}
