/** Makes flags of a table of options, and values of what is given with them. */
import { InvalidArgumentError, Option, type Command } from "commander";
import type { OptionEntry, OptionTable } from "../catalog/option_table.js";
import { readOption, type OptionValue } from "../catalog/option_values.js";

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
  let value: OptionValue;
  try {
    value = readOption(entry, text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return Array.isArray(value) && Array.isArray(previous) ? [...(previous as []), ...(value as [])] : value;
}
