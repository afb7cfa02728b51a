/** Processes that `torchrun`, or what sets its variables, has started. */
import {
  ClusterEnvironment,
  readCount,
  readRendezvous,
  type Rendezvous,
  type Variables,
} from "./cluster_environment.js";

/** What `torchrun` says of a process. */
export class TorchElasticEnvironment extends ClusterEnvironment {
  readonly name = "torchrun";
  readonly worldSize: number;
  readonly globalRank: number;
  readonly localRank: number;
  readonly nodeRank: number;
  readonly localWorldSize: number;
  readonly #variables: Variables;

  /** @throws ConfigurationError `ERR_CLUSTER_VARIABLE` where variables are missing */
  constructor(variables: Variables = process.env) {
    super();
    this.#variables = variables;
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

  /** torchrun itself may listen on MASTER_PORT; then it is the next one. */
  override get rendezvous(): Rendezvous {
    const { host, port } = readRendezvous(this.#variables, this.name);
    return { host, port: this.#variables.TORCHELASTIC_USE_AGENT_STORE === "True" ? port + 1 : port };
  }
}
