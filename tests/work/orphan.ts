/** Is killed while its work goes on. Prints the number of the work's process. */
import { Work } from "../../src/work/index.js";

const work = new Work(new URL("./program.ts", import.meta.url));
work.on("log", () => process.stdout.write(`${work.pid}\n`));
await work.run({ what: "endless" });
