/** Branches and loops whose condition or count is known while tracing. */
import { toHost } from "../values.js";
import type { OperatorTable } from "./registry.js";

export const controlFlow: OperatorTable = {
  If: ([condition], context) => {
    const holds = toHost(condition!, `The condition of ${context.name}`).data[0] !== 0;
    return context.runSubgraph(context.graph(holds ? "then_branch" : "else_branch"), []);
  },
};
