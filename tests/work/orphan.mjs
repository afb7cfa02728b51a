/** Is killed while its work goes on. Prints the number of the work's process. */
import { Work } from "../../src/work/work.ts";

const work = new Work(new URL("./program.mjs", import.meta.url));
work.on("log", () => console.log(work.pid));
await work.run({ what: "endless" });
