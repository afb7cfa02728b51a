/** `kindling serve MODEL…`: trained tasks over HTTP, until a signal ends it. */
import { once } from "node:events";
import { Command } from "commander";
import { tableOf, type Section } from "../configuration.js";
import { addFlags } from "../flags.js";
import { printLine } from "../print.js";

export function serveCommand(): Command {
  const command = new Command("serve")
    .description("Answers with trained tasks over HTTP.")
    .argument("<models...>", "the files of trained tasks");
  addFlags(command, tableOf("ServeOptions"), "Server:");
  return command.action(async (models: string[], flags: Section) => {
    const { serve } = await import("../../serve/index.js");
    const server = await serve(models, flags);
    printLine(`${models.join(", ")} at ${server.url}`);
    await Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
    await server.close();
  });
}
