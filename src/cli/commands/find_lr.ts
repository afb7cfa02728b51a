/** `kindling find-lr TASK`: a learning rate from a range test. */
import type { Command } from "commander";
import type { LrFindOptions } from "../../core/index.js";
import { resolveLrFindOptions } from "../../core/tuner/lr_find_options.js";
import { tableOf, unflatten } from "../configuration.js";
import { isForPeople, printJson, printPairs } from "../print.js";
import { makeRun, taskCommand, type Flags } from "./runs.js";

const LR_OPTIONS = tableOf("LrFindOptions").filter(
  ({ name }) => name !== "updateAttr" && name !== "attrName",
);

const PLOT = {
  name: "plot",
  kinds: ["string"],
  description: "A PNG with the loss over the learning rate.",
} as const;

export function findLrCommand(): Command {
  return taskCommand(
    "find-lr",
    "Suggests a learning rate: trains a few steps with a rising one, and keeps nothing.",
    [...LR_OPTIONS, PLOT],
    async (configuration, flags: Flags) => {
      const { Trainer, Tuner } = await import("../../index.js");
      const options = Object.fromEntries(
        LR_OPTIONS.filter(({ name }) => flags[name] !== undefined).map(({ name }) => [name, flags[name]]),
      ) as LrFindOptions;
      // Before the data are read, so that a mistake in an option shows at once.
      resolveLrFindOptions(options);
      const trainer = new Trainer({ ...unflatten(configuration.trainer), logger: false });
      const { task, data } = await makeRun(configuration);
      const finder = await new Tuner(trainer).lrFind(task, data, { ...options, updateAttr: false });
      const suggestion = finder.suggestion(options.method === undefined ? {} : { method: options.method });
      if (typeof flags.plot === "string") await finder.plot(flags.plot, { suggest: true });
      if (isForPeople(flags.json)) printPairs({ suggestion: suggestion ?? "none: too few finite losses" });
      else printJson({ suggestion: suggestion ?? null, ...finder.results });
    },
  );
}
