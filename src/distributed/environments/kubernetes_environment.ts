/**
 * Pods of Kubernetes, one process each, that know their place: by the variables of Kubeflow's training operator, by the index
 * of an Indexed Job, or by a host name that ends in a number, as those of a StatefulSet do.
 */
import { hostname } from "node:os";
import {
  ClusterEnvironment,
  readCount,
  readRendezvous,
  type Rendezvous,
  type Variables,
} from "./cluster_environment.js";

/** What Kubernetes says of a pod. */
export class KubernetesEnvironment extends ClusterEnvironment {
  readonly name = "Kubernetes";
  readonly worldSize: number;
  readonly globalRank: number;
  readonly localRank = 0;
  readonly localWorldSize = 1;
  readonly #variables: Variables;

  /** @throws ConfigurationError `ERR_CLUSTER_VARIABLE` without `WORLD_SIZE`, or where nothing tells the rank */
  constructor(variables: Variables = process.env, host: string = variables.HOSTNAME ?? hostname()) {
    super();
    this.#variables = variables;
    this.worldSize = readCount(variables, "WORLD_SIZE", "Kubernetes");
    const ordinal = /-(\d+)$/.exec(host.split(".")[0]!)?.[1];
    const rank = variables.RANK ?? variables.JOB_COMPLETION_INDEX ?? ordinal;
    this.globalRank = readCount({ RANK: rank }, "RANK", "Kubernetes");
  }

  static detect(variables: Variables): boolean {
    return variables.KUBERNETES_PORT !== undefined && variables.WORLD_SIZE !== undefined;
  }

  get nodeRank(): number {
    return this.globalRank;
  }

  override get rendezvous(): Rendezvous {
    return readRendezvous(this.#variables, this.name);
  }
}
