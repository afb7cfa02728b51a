/** Parameters of a search as options of a run. */
import type { OptionTable } from "../../catalog/option_table.js";
import { findFault } from "../../catalog/option_values.js";
import type { SearchParameter, SearchSpace } from "../../core/index.js";
import { ConfigurationError, describeChoices } from "../../errors.js";
import type { Section } from "../configuration.js";

/**
 * Whether each parameter is an option, and each of its values one that the option takes. What is wrong with the space itself
 * the search says.
 *
 * @throws ConfigurationError `ERR_SEARCH_SPACE`
 */
export function checkSearchedOptions(space: SearchSpace, table: OptionTable): void {
  if (typeof space !== "object" || space === null || Array.isArray(space)) return;
  for (const [name, parameter] of Object.entries(space)) {
    const entry = table.find((option) => option.name === name);
    if (entry === undefined) {
      const names = table.map((option) => option.name);
      throw new ConfigurationError(
        "ERR_SEARCH_SPACE",
        `The search space has ${JSON.stringify(name)}, which is no option. ${describeChoices(name, names)}`,
      );
    }
    for (const value of valuesOf(parameter)) {
      const fault = findFault(entry, value);
      if (fault === undefined) continue;
      throw new ConfigurationError("ERR_SEARCH_SPACE", `Of the search space: ${name}: ${fault}.`);
    }
    if (parameter?.type !== "conditional") continue;
    for (const branch of Object.values(parameter.branches ?? {})) checkSearchedOptions(branch, table);
  }
}

function valuesOf(parameter: SearchParameter): readonly unknown[] {
  switch (parameter?.type) {
    case "categorical":
      return Array.isArray(parameter.choices) ? parameter.choices : [];
    case "conditional":
      return Object.keys(parameter.branches ?? {});
    case "float":
    case "int":
      return [parameter.low, parameter.high].filter((bound) => typeof bound === "number");
    default:
      return [];
  }
}

/** A branch's name is the value of its option, and its parameters are options beside it. */
export function chosenOptions(parameters: Readonly<Record<string, unknown>>): Section {
  const options: Section = {};
  for (const [name, value] of Object.entries(parameters)) {
    if (typeof value !== "object" || value === null) options[name] = value as Section[string];
    else {
      const { name: branch, ...rest } = value as Record<string, unknown>;
      Object.assign(options, chosenOptions({ [name]: branch, ...rest }));
    }
  }
  return options;
}
