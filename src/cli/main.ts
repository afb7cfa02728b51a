/** The command line: its commands, and what becomes of errors. */
import tab from "@bomb.sh/tab/commander";
import { Command, CommanderError } from "commander";
import { styleText } from "node:util";
import { InterruptedError } from "../core/signals.js";
import { KindlingError } from "../errors.js";
import { VERSION } from "../version.js";
import { evaluateCommand } from "./commands/evaluate.js";
import { exportCommand } from "./commands/export.js";
import { findLrCommand } from "./commands/find_lr.js";
import { listCommand } from "./commands/list.js";
import { predictCommand } from "./commands/predict.js";
import { reportCommand } from "./commands/report.js";
import { withTaskOfConfig } from "./commands/runs.js";
import { searchCommand } from "./commands/search.js";
import { serveCommand } from "./commands/serve.js";
import { trainCommand } from "./commands/train.js";
import { printNote } from "./print.js";

/** The command line was not understood. */
const USAGE = 2;

export function createProgram(): Command {
  const program = new Command("kindling")
    .description("Trains tasks on your data, and answers with them.")
    .version(VERSION)
    .showHelpAfterError("(--help shows what there is)");
  const commands = [
    trainCommand(),
    predictCommand(),
    evaluateCommand(),
    exportCommand(),
    findLrCommand(),
    searchCommand(),
    reportCommand(),
    serveCommand(),
    listCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of withSubcommands(program)) command.exitOverride();
  tab(program);
  return program;
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

/** @returns what the process should end with: 0, 1 for a failure, 2 for a command line that was not understood */
export async function main(args: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(withTaskOfConfig(args), { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return report(error);
  }
}

/** Errors made on purpose say what to do; of all others the stack is wanted. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
  if (error instanceof KindlingError) {
    printNote(`${styleText("red", error.code, { stream: process.stderr })} ${error.message}`);
    return error instanceof InterruptedError ? error.exitCode : 1;
  }
  printNote(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 1;
}
