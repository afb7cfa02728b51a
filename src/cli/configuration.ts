/** What a run is made of: the sections that flags and a configuration file fill, checked against the classes' options. */
import { readFileSync, statSync } from "node:fs";
import { extname } from "node:path";
import { parse, stringify } from "yaml";
import { ConfigurationError, describeChoices } from "../errors.js";
import { VERSION } from "../version.js";
import { findFault, type OptionValue } from "../catalog/option_values.js";
import { flagOf } from "./flags.js";
import type { OptionTable } from "../catalog/option_table.js";
import { optionTables } from "../catalog/option_tables.js";
import { findTask, type DataFormat, type TaskEntry } from "../catalog/tasks.js";

/** Options by name; those of an object's fields as `train.images`. */
export type Section = Record<string, OptionValue>;

export const SECTIONS = ["trainer", "model", "data"] as const;
type SectionName = (typeof SECTIONS)[number];

/** What a run needs to be told beside its sections. */
export const runOptions = [
  {
    name: "format",
    kinds: ["string"],
    description: "How the data are laid out. Default: by the ending of the file, or that of a folder.",
  },
  {
    name: "output",
    kinds: ["string"],
    description: "The file for the trained task. Default: the task's name and `.kindling`.",
  },
  {
    name: "overwrite",
    kinds: ["boolean"],
    description: "Whether that file may exist already. Default: false.",
  },
  {
    name: "seed",
    kinds: ["number"],
    description:
      "Of all random numbers. Default: drawn anew, and kept in the run's config.yaml; 0 in a search.",
  },
  {
    name: "finetune",
    kinds: [],
    choices: ["freeze", "no_freeze", "gradual_unfreeze"],
    description: "How a pretrained backbone takes part. Default: it trains from the start.",
  },
  {
    name: "ckptPath",
    kinds: ["string"],
    description: 'The checkpoint to go on from: a file, "last" or "best".',
  },
] as const satisfies OptionTable;

export interface RunConfiguration extends Record<SectionName, Section> {
  task: string;
  run: Section;
}

/** The options of each section. Classes come from the data, so the model does not ask for them. */
export function sectionTables(task: TaskEntry): Record<SectionName, OptionTable> {
  const trainer: OptionTable = optionTables.TrainerOptions;
  const model = tableOf(task.options).filter(({ name }) => name !== "labels" && name !== "multiLabel");
  const taken = new Set(["seed", ...[...trainer, ...model].map(({ name }) => name)]);
  const data = Object.values(task.formats)
    .flatMap(({ options }) => [...tableOf(options)])
    .filter(({ name }) => !taken.has(name) && name !== "predict")
    .filter(({ name }, index, all) => all.findIndex((entry) => entry.name === name) === index);
  return { trainer, model, data };
}

export function tableOf(name: keyof typeof optionTables): OptionTable {
  return optionTables[name];
}

/** Distributes flags over the sections of a configuration that they change. */
export function withFlags(
  configuration: RunConfiguration,
  tables: Record<SectionName, OptionTable>,
  flags: Section,
): RunConfiguration {
  const changed = { ...configuration, run: pick(flags, runOptions, configuration.run) };
  for (const section of SECTIONS) {
    changed[section] = pick(flags, tables[section], configuration[section]);
  }
  return changed;
}

function pick(flags: Section, table: OptionTable, before: Section): Section {
  const given = table.filter(({ name }) => flags[name] !== undefined);
  return { ...before, ...Object.fromEntries(given.map(({ name }) => [name, flags[name]!])) };
}

/**
 * @param path a YAML file as `--print-config` writes it
 * @throws ConfigurationError `ERR_CONFIG_FILE` for what cannot be read, or says what no option is
 */
export function readConfiguration(path: string): RunConfiguration {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new ConfigurationError("ERR_CONFIG_FILE", `${path} ${problem}`, { cause });
  };
  let content: unknown;
  try {
    content = parse(readFileSync(path, "utf8"));
  } catch (error) {
    return refuse(`cannot be read: ${(error as Error).message}`, error);
  }
  if (!isRecord(content)) return refuse(`holds no mapping of \`task\`, ${SECTIONS.join(", ")}.`);
  const { task, kindling: _version, ...rest } = content;
  if (typeof task !== "string") return refuse("names no `task`.");
  const tables = sectionTables(findTask(task));
  const configuration: RunConfiguration = { task, run: {}, trainer: {}, model: {}, data: {} };
  for (const [key, value] of Object.entries(rest)) {
    const section = SECTIONS.find((name) => name === key);
    if (section === undefined) {
      checkEntries({ [key]: value }, runOptions, "", refuse);
      configuration.run[key] = value as OptionValue;
    } else if (value !== null) {
      if (!isRecord(value)) refuse(`: \`${section}\` must be a mapping of options.`);
      configuration[section] = flatten(value as Record<string, unknown>, tables[section]);
      checkEntries(configuration[section], tables[section], `${section}.`, refuse);
    }
  }
  return configuration;
}

function checkEntries(
  given: Record<string, unknown>,
  table: OptionTable,
  prefix: string,
  refuse: (problem: string) => never,
): void {
  for (const [name, value] of Object.entries(given)) {
    const entry = table.find((entry) => entry.name === name);
    if (entry === undefined) {
      const names = table.map((entry) => entry.name);
      return refuse(`: there is no option \`${prefix}${name}\`. ${describeChoices(name, names)}`);
    }
    const fault = findFault(entry, value);
    if (fault !== undefined) refuse(`: \`${prefix}${name}\`: ${fault}.`);
  }
}

/** Objects of which the table knows the fields become options of their own. */
function flatten(section: Record<string, unknown>, table: OptionTable): Section {
  const entries = Object.entries(section).flatMap(([name, value]): [string, unknown][] => {
    const hasFields = isRecord(value) && table.some((entry) => entry.name.startsWith(`${name}.`));
    if (!hasFields) return [[name, value]];
    return Object.entries(value).map(([field, inner]) => [`${name}.${field}`, inner]);
  });
  return Object.fromEntries(entries) as Section;
}

/** The section as the class takes it. */
export function unflatten(section: Section): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(section)) {
    const [outer, field] = name.split(".") as [string, string?];
    if (field === undefined) options[outer] = value;
    else options[outer] = { ...(options[outer] as object | undefined), [field]: value };
  }
  return options;
}

/** A file that `--config` reads, enough to repeat the run with this version. */
export function writeConfiguration({ task, run, ...sections }: RunConfiguration): string {
  const filled = SECTIONS.filter((section) => Object.keys(sections[section]).length > 0);
  return stringify({
    kindling: VERSION,
    task,
    ...run,
    ...Object.fromEntries(filled.map((section) => [section, unflatten(sections[section])])),
  });
}

/**
 * The format that was named, or that the first path stands for; with the options checked against it.
 *
 * @throws ConfigurationError `ERR_DATA_FORMAT`
 */
export function chooseFormat(task: TaskEntry, data: Section, named: OptionValue | undefined): DataFormat {
  const refuse = (message: string): never => {
    throw new ConfigurationError("ERR_DATA_FORMAT", message);
  };
  const names = Object.keys(task.formats);
  const name = named === undefined ? guessFormat(task, data) : String(named);
  if (name === undefined) {
    return refuse(
      `Which data? Give ${flagOf("train")} PATH, or ${flagOf("format")} with one of ${names.join(", ")}.`,
    );
  }
  const format = Object.hasOwn(task.formats, name) ? task.formats[name] : undefined;
  if (format === undefined) {
    return refuse(`${task.className} reads no ${JSON.stringify(name)}. ${describeChoices(name, names)}`);
  }
  const known = tableOf(format.options).map((entry) => entry.name);
  for (const given of Object.keys(data)) {
    if (!known.includes(given)) refuse(`The format ${name} has no option ${flagOf(given)}.`);
  }
  return format;
}

function guessFormat(task: TaskEntry, data: Section): string | undefined {
  const path = [data.train, data.val, data.test].find((part) => typeof part === "string");
  if (path === undefined) {
    const used = Object.keys(data);
    const fitting = Object.entries(task.formats).filter(([, { options }]) =>
      used.every((name) => tableOf(options).some((entry) => entry.name === name)),
    );
    return used.length > 0 && fitting.length === 1 ? fitting[0]![0] : undefined;
  }
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const ending = isFolder ? "" : extname(path).slice(1).toLowerCase();
  return Object.entries(task.formats).find(([, { endings }]) => endings.includes(ending))?.[0];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
