/** The TF.js backend that the tests run on, on the CPU also where a GPU would be chosen: only it gives the same bits each time. */
import { engine } from "../../src/engine/index.js";

await engine.use({ accelerator: "cpu" });
