/** `kindling list tasks|backbones|devices`: what there is to choose from. */
import { Argument, Command, Option } from "commander";
import { isForPeople, printJson, printLine, printPairs } from "../print.js";
import { tasks } from "../../catalog/tasks.js";

const DOMAINS = ["image", "text", "audio", "detection"] as const;

const lists: Record<string, () => Promise<Record<string, unknown>[]>> = {
  tasks: async () =>
    Object.entries(tasks).map(([name, { className, summary, formats }]) => ({
      name,
      class: className,
      summary,
      formats: Object.keys(formats),
    })),
  backbones: async () => {
    const { availableBackbones, describeBackbone } = await import("../../index.js");
    return DOMAINS.flatMap((domain) =>
      availableBackbones(domain).map((name) => {
        const { parameters, licence, source } = describeBackbone(domain, name);
        return { name, domain, millionParameters: parameters, licence, source: source ?? null };
      }),
    );
  },
  devices: async () => {
    const { availableAccelerators } = await import("../../index.js");
    return (await availableAccelerators()).map((accelerator) => ({ ...accelerator }));
  },
};

export function listCommand(): Command {
  return new Command("list")
    .description("Lists the tasks, the backbones, or what this machine can compute on.")
    .addArgument(new Argument("<what>").choices(Object.keys(lists)))
    .addOption(new Option("--json", "JSON lines, on a terminal too."))
    .action(async (what: string, { json }: { json?: boolean }) => {
      const rows = await lists[what]!();
      if (!isForPeople(json)) return rows.forEach(printJson);
      for (const { name, ...rest } of rows) {
        printLine(String(name));
        printPairs(Object.fromEntries(Object.entries(rest).map(([key, value]) => [`  ${key}`, value])));
      }
    });
}
