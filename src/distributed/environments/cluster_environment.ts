/** Who has started the processes of a run, and what it says about them. */
import { ConfigurationError } from "../../errors.js";

/** Variables of a process. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** Rank 0's address. */
export interface Rendezvous {
  host: string;
  port: number;
}

/** What a Trainer was told about its processes. */
export interface RequestedRanks {
  /** Processes on each machine; undefined where the Trainer takes what the cluster gives. */
  devices: number | undefined;
  /** Machines; undefined likewise. */
  numNodes: number | undefined;
}

/** A cluster environment, in Lightning's sense: read from the variables that a launcher sets. */
export abstract class ClusterEnvironment {
  /** What starts the processes, for messages. */
  abstract readonly name: string;
  /** All processes. */
  abstract readonly worldSize: number;
  /** This process among all, from 0. */
  abstract readonly globalRank: number;
  /** This process among those of its machine. */
  abstract readonly localRank: number;
  /** This machine among all. */
  abstract readonly nodeRank: number;
  /** Processes of this machine. */
  abstract readonly localWorldSize: number;

  /** Machines. */
  get numNodes(): number {
    return Math.max(1, Math.ceil(this.worldSize / this.localWorldSize));
  }

  /** Where processes meet that work together over TCP; undefined for those that the launcher brings together through MPI. */
  get rendezvous(): Rendezvous | undefined {
    return undefined;
  }

  /**
   * Compares what the Trainer was told with what was started.
   *
   * @throws ConfigurationError `ERR_CLUSTER_SETTINGS` with the values to set
   */
  validateSettings({ devices, numNodes }: RequestedRanks): void {
    if (devices !== undefined && devices !== this.localWorldSize) {
      throw settingsError(
        `The Trainer was given devices: ${devices}, and ${this.name} has started ${this.localWorldSize} ` +
          `process${this.localWorldSize === 1 ? "" : "es"} on this machine. ${this.devicesHint(devices)}`,
      );
    }
    if (numNodes !== undefined && numNodes !== this.numNodes) {
      throw settingsError(
        `The Trainer was given numNodes: ${numNodes}, and ${this.name} has started processes on ${this.numNodes} ` +
          `machine${this.numNodes === 1 ? "" : "s"}. ${this.numNodesHint(numNodes)}`,
      );
    }
  }

  /** What to change where `devices` does not fit. */
  protected devicesHint(devices: number): string {
    return `Set devices: ${this.localWorldSize}, or leave it out, or start ${devices} on each machine.`;
  }

  /** What to change where `numNodes` does not fit. */
  protected numNodesHint(numNodes: number): string {
    return `Set numNodes: ${this.numNodes}, or leave it out, or start on ${numNodes} machines.`;
  }
}

/** @throws ConfigurationError `ERR_CLUSTER_VARIABLE` for a variable that is missing or no number */
export function readCount(variables: Variables, name: string, who: string): number {
  const text = variables[name];
  const count = Number(text);
  if (text !== undefined && text.trim() !== "" && Number.isSafeInteger(count) && count >= 0) return count;
  throw new ConfigurationError(
    "ERR_CLUSTER_VARIABLE",
    `${who} sets the variable ${name} to a number for every process it starts, and here it is ` +
      `${text === undefined ? "missing" : JSON.stringify(text)}. Start the program with ${who}, or unset its other variables.`,
  );
}

/**
 * The variables `MASTER_ADDR` and `MASTER_PORT`, as PyTorch's launchers set them.
 *
 * @throws ConfigurationError `ERR_CLUSTER_VARIABLE` where they are missing
 */
export function readRendezvous(variables: Variables, who: string): Rendezvous {
  const { MASTER_ADDR: host } = variables;
  if (host === undefined || host === "") {
    throw new ConfigurationError(
      "ERR_CLUSTER_VARIABLE",
      `Processes of ${who} meet at the address of rank 0, and the variable MASTER_ADDR, which says it, is missing. Set it for ` +
        "all of them to that machine's name or address, and MASTER_PORT to a free port of it; or start them with mpirun.",
    );
  }
  return { host, port: readCount(variables, "MASTER_PORT", who) };
}

export function settingsError(message: string): ConfigurationError {
  return new ConfigurationError("ERR_CLUSTER_SETTINGS", message);
}
