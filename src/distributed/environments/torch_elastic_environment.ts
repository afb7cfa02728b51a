/** Processes that `torchrun`, or what sets its variables, has started. */
import { ClusterEnvironment, readCount, type Variables } from "./cluster_environment.js";

/** What `torchrun` says of a process. Bringing ranks together takes MPI, so the program is called with mpirun. */
export class TorchElasticEnvironment extends ClusterEnvironment {
  readonly name = "torchrun";
  readonly worldSize: number;
  readonly globalRank: number;
  readonly localRank: number;
  readonly nodeRank: number;
  readonly localWorldSize: number;

  /** @throws ConfigurationError `ERR_CLUSTER_VARIABLE` where variables are missing */
  constructor(variables: Variables = process.env) {
    super();
    const read = (name: string) => readCount(variables, name, "torchrun");
    this.worldSize = read("WORLD_SIZE");
    this.globalRank = read("RANK");
    this.localRank = read("LOCAL_RANK");
    this.localWorldSize =
      variables.LOCAL_WORLD_SIZE === undefined ? this.worldSize : read("LOCAL_WORLD_SIZE");
    this.nodeRank =
      variables.GROUP_RANK === undefined
        ? Math.floor(this.globalRank / this.localWorldSize)
        : read("GROUP_RANK");
  }

  static detect(variables: Variables): boolean {
    return ["RANK", "WORLD_SIZE", "LOCAL_RANK"].every((name) => variables[name] !== undefined);
  }

  override get hasMpi(): boolean {
    return false;
  }
}
