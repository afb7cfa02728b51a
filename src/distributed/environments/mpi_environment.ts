/** Processes that `mpirun` has started: Open MPI's, or one of MPICH's family. */
import { ClusterEnvironment, readCount, type Variables } from "./cluster_environment.js";

/** Open MPI's names, and those of MPICH, Intel MPI and MVAPICH. */
const DIALECTS = [
  {
    size: "OMPI_COMM_WORLD_SIZE",
    rank: "OMPI_COMM_WORLD_RANK",
    localRank: "OMPI_COMM_WORLD_LOCAL_RANK",
    localSize: "OMPI_COMM_WORLD_LOCAL_SIZE",
  },
  { size: "PMI_SIZE", rank: "PMI_RANK", localRank: "MPI_LOCALRANKID", localSize: "MPI_LOCALNRANKS" },
] as const;

/** What `mpirun` says of a process. */
export class MPIEnvironment extends ClusterEnvironment {
  readonly name = "mpirun";
  readonly worldSize: number;
  readonly globalRank: number;
  readonly localRank: number;
  readonly localWorldSize: number;

  /** @throws ConfigurationError `ERR_CLUSTER_VARIABLE` where variables are missing */
  constructor(variables: Variables = process.env) {
    super();
    const dialect = DIALECTS.find(({ size }) => variables[size] !== undefined) ?? DIALECTS[0];
    const read = (name: keyof typeof dialect) => readCount(variables, dialect[name], "mpirun");
    this.worldSize = read("size");
    this.globalRank = read("rank");
    this.localRank = read("localRank");
    this.localWorldSize = read("localSize");
  }

  static detect(variables: Variables): boolean {
    return DIALECTS.some(({ size, rank }) => variables[size] !== undefined && variables[rank] !== undefined);
  }

  /** Where machines have equally many processes, and these were placed one machine after the other, as mpirun does. */
  get nodeRank(): number {
    return Math.floor(this.globalRank / this.localWorldSize);
  }

  protected override devicesHint(devices: number): string {
    return `Set devices: ${this.localWorldSize}, or leave it out, or call mpirun with --map-by ppr:${devices}:node.`;
  }
}
