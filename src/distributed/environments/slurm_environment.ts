/** Processes that Slurm's `srun` has started. */
import { warnOnce } from "../../warn.js";
import {
  ClusterEnvironment,
  readCount,
  readRendezvous,
  settingsError,
  type Rendezvous,
  type RequestedRanks,
  type Variables,
} from "./cluster_environment.js";

/** What Slurm says of a task. */
export class SLURMEnvironment extends ClusterEnvironment {
  readonly name = "Slurm";
  readonly worldSize: number;
  readonly globalRank: number;
  readonly localRank: number;
  readonly nodeRank: number;
  readonly localWorldSize: number;
  /** The job, or its place in an array of jobs, as `scontrol requeue` takes it. */
  readonly jobId: string | undefined;
  readonly #variables: Variables;

  /** @throws ConfigurationError `ERR_CLUSTER_VARIABLE` where variables are missing */
  constructor(variables: Variables = process.env) {
    super();
    const read = (name: string) => readCount(variables, name, "srun");
    this.#variables = variables;
    this.worldSize = read("SLURM_NTASKS");
    this.globalRank = read("SLURM_PROCID");
    this.localRank = read("SLURM_LOCALID");
    this.nodeRank = read("SLURM_NODEID");
    const nodes = read("SLURM_NNODES" in variables ? "SLURM_NNODES" : "SLURM_JOB_NUM_NODES");
    const perNode = variables.SLURM_NTASKS_PER_NODE;
    this.localWorldSize =
      perNode === undefined ? Math.ceil(this.worldSize / nodes) : read("SLURM_NTASKS_PER_NODE");
    const { SLURM_ARRAY_JOB_ID: array, SLURM_ARRAY_TASK_ID: task, SLURM_JOB_ID: job } = variables;
    this.jobId = array === undefined ? job : `${array}_${task}`;
  }

  /**
   * A job's script and an interactive shell have most of Slurm's variables too, and start one program as any shell does: only
   * what srun has started is a step. Where the job has several tasks, leaving srun out is probably a mistake, and a warning.
   */
  static detect(variables: Variables): boolean {
    const { SLURM_NTASKS: tasks, SLURM_PROCID: rank, SLURM_STEP_ID: step, SLURM_JOB_NAME: job } = variables;
    if (tasks === undefined || rank === undefined || job === "bash" || job === "interactive") return false;
    if (step === undefined && Number(tasks) > 1) {
      warnOnce(
        "WARN_SRUN",
        `This job of Slurm has ${tasks} tasks, and the program was started without srun, as one process. Put srun before it, ` +
          "as in `srun --mpi=pmix node train.js`, and every task is a rank.",
      );
    }
    return step !== undefined;
  }

  override get numNodes(): number {
    return Number(this.#variables.SLURM_NNODES ?? this.#variables.SLURM_JOB_NUM_NODES);
  }

  /** With MASTER_ADDR in the job's script tasks meet there; without it, through MPI. */
  override get rendezvous(): Rendezvous | undefined {
    return this.#variables.MASTER_ADDR === undefined ? undefined : readRendezvous(this.#variables, this.name);
  }

  override validateSettings(requested: RequestedRanks): void {
    const { SLURM_NTASKS: tasks, SLURM_NTASKS_PER_NODE: perNode } = this.#variables;
    if (requested.devices !== undefined && requested.devices > 1 && tasks === "1" && perNode === undefined) {
      throw settingsError(
        `The Trainer was given devices: ${requested.devices}, and Slurm has started one task. Under srun every rank is a ` +
          `task: put \`#SBATCH --ntasks-per-node=${requested.devices}\` into the script, and call the program with srun.`,
      );
    }
    super.validateSettings(requested);
  }

  protected override devicesHint(devices: number): string {
    return `Set devices: ${this.localWorldSize}, or leave it out, or use \`#SBATCH --ntasks-per-node=${devices}\`.`;
  }

  protected override numNodesHint(numNodes: number): string {
    return `Set numNodes: ${this.numNodes}, or leave it out, or use \`#SBATCH --nodes=${numNodes}\`.`;
  }
}
