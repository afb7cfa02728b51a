/** A program that joins the ranks that a launcher has started. */
import { detectClusterEnvironment, joinProcessGroup } from "../../../src/distributed/index.js";

await joinProcessGroup(detectClusterEnvironment(), undefined);
