/** Values of options as they come from outside: as text on a command line or in a query, as data in a file or a request. */
import { ConfigurationError, describeChoices } from "../errors.js";
import type { OptionEntry } from "./option_table.js";

/** A value that an option can be given from outside. */
export type OptionValue = boolean | number | string | readonly (number | string)[];

/** @throws ConfigurationError `ERR_OPTION_VALUE` where the text is no value of this option */
export function readOption(entry: OptionEntry, text: string): OptionValue {
  const { kinds, choices = [] } = entry;
  if (choices.includes(text)) return text;
  if (kinds.includes("boolean") && (text === "true" || text === "false")) return text === "true";
  const isNumeric = text.trim() !== "" && Number.isFinite(Number(text));
  if (isNumeric && kinds.includes("number")) return Number(text);
  if (kinds.includes("numbers")) {
    const numbers = text.split(",").map(Number);
    if (text.trim() !== "" && numbers.every(Number.isFinite)) return numbers;
  }
  if (kinds.includes("strings") && !(kinds.includes("string") && !text.includes(","))) return text.split(",");
  if (kinds.includes("string")) return text;
  throw new ConfigurationError("ERR_OPTION_VALUE", `Expected ${describeKinds(entry, text)}.`);
}

/** What is wrong with a value, or undefined. */
export function findFault(entry: OptionEntry, value: unknown): string | undefined {
  const { kinds, choices = [] } = entry;
  const elements = Array.isArray(value) ? (value as unknown[]) : [];
  const isValid =
    kinds.some((kind) => kind === typeof value) ||
    (typeof value === "string" && choices.includes(value)) ||
    (elements.length > 0 &&
      elements.every((element) => kinds.includes(`${typeof element}s` as (typeof kinds)[number])));
  return isValid ? undefined : `expected ${describeKinds(entry, JSON.stringify(value))}`;
}

function describeKinds({ kinds, choices = [] }: OptionEntry, given: string): string {
  const names = {
    boolean: "true or false",
    number: "a number",
    string: "a text",
    numbers: "numbers",
    strings: "texts",
  };
  const expected = kinds.map((kind) => names[kind]);
  if (choices.length > 0) expected.push("a choice");
  const listed = choices.length > 0 ? ` ${describeChoices(given, choices).replace(/\.$/, "")}` : "";
  return `${expected.join(", or ")}, not ${given}.${listed}`.replace(/\.$/, "");
}
