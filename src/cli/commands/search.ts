/** `kindling search TASK --space FILE`: options of a task, its data and the Trainer that make a metric best. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { parse } from "yaml";
import { writeFileAtomically } from "../../atomic_write.js";
import type { OptionTable } from "../../catalog/option_table.js";
import { findTask } from "../../catalog/tasks.js";
import type {
  SearchDirection,
  SearchOptions,
  SearchResult,
  SearchSpace,
  Study,
  TrainerOptions,
} from "../../core/index.js";
import { ConfigurationError } from "../../errors.js";
import {
  runOptions,
  sectionTables,
  tableOf,
  unflatten,
  withFlags,
  writeConfiguration,
  type RunConfiguration,
  type Section,
} from "../configuration.js";
import { isForPeople, printJson, printLine, printNote } from "../print.js";
import { makeData, makeTask, taskCommand, type Flags } from "./runs.js";
import { checkSearchedOptions, chosenOptions } from "./searched_options.js";

/** Trials of one process share its cores and its random numbers: several processes share a journal instead. */
const SEARCH_OPTIONS = tableOf("SearchOptions").filter(
  ({ name }) => !["concurrency", "seed", "direction"].includes(name),
);
/** Trials are compared with each other, whichever process they are of: all hold back the same samples. */
const SEED = 0;
const DEFAULT_BEST = "config.yaml";

const own = [
  {
    name: "space",
    kinds: ["string"],
    description: "A YAML file: the options to choose, each with its range or its choices. Required.",
  },
  {
    name: "monitor",
    kinds: ["string"],
    description: "The metric, of the last epoch. Default: the task's own, such as val_accuracy.",
  },
  {
    name: "direction",
    kinds: [],
    choices: ["minimize", "maximize"],
    description: "Whether the metric is to become small or large. Default: as suits the task's own metric.",
  },
  {
    name: "best",
    kinds: ["string"],
    description: `Where the best options are left, as a file for --config. Default: ${DEFAULT_BEST}.`,
  },
  {
    name: "plots",
    kinds: ["string"],
    description: "A folder for pictures of the values and of what each option matters.",
  },
] as const satisfies OptionTable;

export function searchCommand(): Command {
  return taskCommand(
    "search",
    "Searches for the best options: trains with many, and keeps the best as a configuration.",
    [...own, ...SEARCH_OPTIONS],
    search,
    () => SEED,
  );
}

async function search(configuration: RunConfiguration, flags: Flags): Promise<void> {
  const best = String(flags.best ?? DEFAULT_BEST);
  if (existsSync(best) && configuration.run.overwrite !== true) {
    throw new ConfigurationError(
      "ERR_OUTPUT_EXISTS",
      `${best} exists. Name another file with --best, or write over it with --overwrite.`,
    );
  }
  const tables = sectionTables(findTask(configuration.task));
  const space = readSpace(flags.space);
  checkSearchedOptions(space, [...runOptions, ...tables.trainer, ...tables.model, ...tables.data]);
  const { PruningCallback, Trainer, Tuner } = await import("../../index.js");
  const { resolveSearchOptions } = await import("../../core/tuner/search/search_options.js");
  const given = SEARCH_OPTIONS.filter(({ name }) => flags[name] !== undefined);
  const asked: SearchOptions = Object.fromEntries(given.map(({ name }) => [name, flags[name]]));
  // Before the data are read, so that a mistake in an option shows at once.
  resolveSearchOptions(asked);
  new Trainer(trainerOptions(configuration.trainer));
  const data = await makeData(configuration);
  const { monitor, direction } = await choosePursuit(configuration, data, flags);
  const options: SearchOptions = {
    ...asked,
    direction,
    seed: Number(configuration.run.seed),
    onTrialEnd: (trial) => printTrial(trial, isForPeople(flags.json)),
  };
  const study = await Tuner.search(
    space,
    async (parameters, trial) => {
      const chosen = withFlags(configuration, tables, chosenOptions(parameters));
      const isOfData = JSON.stringify(chosen.data) !== JSON.stringify(configuration.data);
      const parts = isOfData ? await makeData(chosen) : data;
      const task = await makeTask(chosen, parts);
      const callbacks = new PruningCallback({ trial, monitor });
      const trainer = new Trainer({ ...trainerOptions(chosen.trainer), callbacks });
      const { finetune } = chosen.run as { finetune?: "freeze" };
      if (finetune === undefined) await trainer.fit(task, parts);
      else await trainer.finetune(task, parts, { strategy: finetune });
      return trainer.callbackMetrics[monitor];
    },
    options,
  );
  const found = withFlags(configuration, tables, chosenOptions(study.bestParameters));
  await writeFileAtomically(best, writeConfiguration(found));
  if (typeof flags.plots === "string") await draw(study, flags.plots);
  const { number, value, parameters } = study.best;
  if (isForPeople(flags.json)) printLine(`best: trial ${number}, ${monitor} ${value}, in ${best}`);
  else printJson({ best: number, monitor, value, parameters, config: best });
}

/** Trials are lines of results, and leave nothing else. */
function trainerOptions(section: Section): TrainerOptions {
  return {
    enableProgressBar: false,
    enableModelSummary: false,
    ...unflatten(section),
    logger: false,
    enableCheckpointing: false,
  };
}

function readSpace(path: unknown): SearchSpace {
  const refuse = (message: string, cause?: unknown): never => {
    throw new ConfigurationError("ERR_SEARCH_SPACE", message, { cause });
  };
  if (typeof path !== "string") return refuse("What may be chosen? Give a YAML file with --space FILE.");
  try {
    return parse(readFileSync(path, "utf8")) as SearchSpace;
  } catch (error) {
    return refuse(`${path} cannot be read: ${(error as Error).message}`, error);
  }
}

/** The metric and whether it is to rise. */
async function choosePursuit(
  configuration: RunConfiguration,
  data: Awaited<ReturnType<typeof makeData>>,
  flags: Flags,
): Promise<{ monitor: string; direction: SearchDirection }> {
  const { monitor: own } = (await makeTask(configuration, data)) as {
    monitor?: { metric: string; mode: "min" | "max" };
  };
  const monitor = flags.monitor === undefined ? own?.metric : String(flags.monitor);
  const isOwn = own !== undefined && monitor === own.metric;
  const direction = flags.direction ?? (isOwn ? (own.mode === "max" ? "maximize" : "minimize") : undefined);
  if (monitor !== undefined && direction !== undefined) {
    return { monitor, direction: direction as SearchDirection };
  }
  throw new ConfigurationError(
    "ERR_SEARCH_OPTION",
    `Is ${monitor ?? "the metric"} to become small or large? Say so with --direction minimize or maximize` +
      (monitor === undefined ? ", and name the metric with --monitor." : "."),
  );
}

function printTrial({ number, state, value, parameters, error }: SearchResult, isHuman: boolean): void {
  if (!isHuman) return printJson({ trial: number, state, value, parameters, error });
  const what = error === undefined ? "" : `: ${error}`;
  printLine(`${number}\t${state}\t${value ?? ""}\t${JSON.stringify(parameters)}${what}`);
}

async function draw(study: Study, folder: string): Promise<void> {
  await study.plotHistory(join(folder, "history.png"));
  const complete = study.trials.filter(({ state }) => state === "complete").length;
  if (complete < 4)
    printNote(`Importance needs 4 complete trials; there are ${complete}, so it is not drawn.`);
  else await study.plotImportance(join(folder, "importance.png"));
}
