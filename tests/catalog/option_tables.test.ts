/**
 * The command line's options are those of the classes' types. `npx vitest run tests/catalog/option_tables.test.ts -u` writes
 * them after a change of the types.
 */
import { format, resolveConfig } from "prettier";
import { expect, it } from "vitest";
import { flagOf } from "../../src/cli/flags.js";
import { optionTables } from "../../src/catalog/option_tables.js";
import { tasks } from "../../src/catalog/tasks.js";
import { readOptionTables } from "./read_option_tables.js";
import { writeOptionTables } from "./write_option_tables.js";

const FILE = new URL("../../src/catalog/option_tables.ts", import.meta.url).pathname;

const NAMES = [
  "TrainerOptions",
  "LrFindOptions",
  "SearchOptions",
  "ServeOptions",
  ...new Set(
    Object.values(tasks).flatMap(({ options, predictOptions, exportOptions, formats }) => [
      options,
      ...[predictOptions, exportOptions].filter((name) => name !== undefined),
      ...Object.values(formats).map((format) => format.options),
    ]),
  ),
];

it("are those of the types", { timeout: 120_000 }, async () => {
  const source = writeOptionTables(readOptionTables(NAMES));
  const expected = await format(source, { ...(await resolveConfig(FILE)), filepath: FILE });
  await expect(expected).toMatchFileSnapshot(FILE);
});

it("have flags that differ from each other", () => {
  for (const [name, table] of Object.entries(optionTables)) {
    const flags = table.map((entry) => flagOf(entry.name));
    expect(new Set(flags).size, name).toBe(flags.length);
  }
});
