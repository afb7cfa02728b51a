/** Makes flags of a table of options, and values of what is given with them. */
import { InvalidArgumentError, Option, type Command } from "commander";
import { describeChoices } from "../errors.js";
import type { OptionEntry, OptionTable } from "./option_table.js";

/** A value that a flag or a configuration file gives. */
export type OptionValue = boolean | number | string | readonly (number | string)[];

/** `maxEpochs` becomes `--max-epochs`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * Adds a flag for each option, in a group of their own in the help. Options that an earlier table brought are left to it.
 */
export function addFlags(command: Command, table: OptionTable, group: string): void {
  const known = new Set(command.options.map(({ long }) => long));
  command.configureHelp({
    optionTerm: ({ flags, long }) =>
      command.options.some((other) => other.negate && other.long === long?.replace("--", "--no-"))
        ? flags.replace("--", "--[no-]")
        : flags,
  });
  for (const entry of table) {
    const flag = flagOf(entry.name);
    if (known.has(flag)) continue;
    const { description, kinds } = entry;
    const isSwitch = kinds.includes("boolean");
    const isOnlySwitch = isSwitch && kinds.length === 1 && entry.choices === undefined;
    const placeholder = isOnlySwitch ? "" : isSwitch ? ` [${metavar(entry)}]` : ` <${metavar(entry)}>`;
    const option = new Option(flag + placeholder, description).helpGroup(group);
    if (!isOnlySwitch) {
      option.argParser<OptionValue>((text, previous) => readFlag(entry, text, previous));
    }
    command.addOption(option);
    if (isSwitch) command.addOption(new Option(flag.replace("--", "--no-")).hideHelp());
  }
}

function metavar({ kinds, choices = [] }: OptionEntry): string {
  const words = [...(choices.length > 0 && choices.length < 7 ? choices : [])];
  if (kinds.includes("numbers")) words.push("number,…");
  else if (kinds.includes("number")) words.push("number");
  if (kinds.includes("strings")) words.push("text,…");
  else if (kinds.includes("string") || words.length === 0) words.push("text");
  return words.join("|");
}

/** Flags of lists may be repeated. */
function readFlag(entry: OptionEntry, text: string, previous: OptionValue | undefined): OptionValue {
  const value = readText(entry, text);
  return Array.isArray(value) && Array.isArray(previous) ? [...(previous as []), ...(value as [])] : value;
}

/** @throws InvalidArgumentError where the text is no value of this option */
export function readText(entry: OptionEntry, text: string): OptionValue {
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
  throw new InvalidArgumentError(`Expected ${describeKinds(entry, text)}.`);
}

/** What is wrong with a value of a configuration file, or undefined. */
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
