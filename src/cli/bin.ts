#!/usr/bin/env node
/** What `npx kindling` runs. */
import { main } from "./main.js";

// A pipe that closes early, as `| head` does, is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
process.exitCode = await main(process.argv.slice(2));
