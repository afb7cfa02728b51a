/** Cluster environments, from the variables that launchers set. Recorded where the launcher was at hand. */
import { describe, expect, it, vi } from "vitest";
import {
  detectClusterEnvironment,
  KubernetesEnvironment,
  MPIEnvironment,
  SLURMEnvironment,
  TorchElasticEnvironment,
  type ClusterEnvironment,
  type Variables,
} from "../../src/distributed/index.js";

/** Rank 3 of `mpirun -n 4 --map-by ppr:2:node` on two machines (Open MPI 4.1.4, of its variables those that matter). */
const openMpi: Variables = {
  OMPI_COMM_WORLD_SIZE: "4",
  OMPI_COMM_WORLD_RANK: "3",
  OMPI_COMM_WORLD_LOCAL_RANK: "1",
  OMPI_COMM_WORLD_LOCAL_SIZE: "2",
  OMPI_UNIVERSE_SIZE: "4",
};

/** As MPICH's hydra sets them. */
const hydra: Variables = {
  PMI_SIZE: "4",
  PMI_RANK: "1",
  MPI_LOCALRANKID: "1",
  MPI_LOCALNRANKS: "4",
};

/** Task 5 of a job of `--nodes=2 --ntasks-per-node=4`, by Slurm's manual of srun's output variables. */
const slurm: Variables = {
  SLURM_JOB_ID: "4711",
  SLURM_JOB_NAME: "train.sh",
  SLURM_NTASKS: "8",
  SLURM_NTASKS_PER_NODE: "4",
  SLURM_NNODES: "2",
  SLURM_JOB_NUM_NODES: "2",
  SLURM_PROCID: "5",
  SLURM_STEP_ID: "0",
  SLURM_LOCALID: "1",
  SLURM_NODEID: "1",
};

/** Task 1 of `srun -n 2 env`, outside of a script (Slurm 22.05). */
const srun: Variables = {
  SLURM_JOB_ID: "1",
  SLURM_JOB_NAME: "env",
  SLURM_JOB_NUM_NODES: "1",
  SLURM_LOCALID: "1",
  SLURM_NNODES: "1",
  SLURM_NODEID: "0",
  SLURM_NTASKS: "2",
  SLURM_PROCID: "1",
  SLURM_STEP_ID: "0",
  SLURM_STEP_TASKS_PER_NODE: "2",
};

/** As torchrun's documentation lists them. */
const torchrun: Variables = {
  RANK: "6",
  WORLD_SIZE: "8",
  LOCAL_RANK: "2",
  LOCAL_WORLD_SIZE: "4",
  GROUP_RANK: "1",
  MASTER_ADDR: "10.0.0.1",
  MASTER_PORT: "29500",
};

const kubernetes: Variables = { KUBERNETES_PORT: "tcp://10.96.0.1:443", WORLD_SIZE: "4" };

const placeOf = (environment: ClusterEnvironment | undefined) =>
  environment && [
    environment.globalRank,
    environment.worldSize,
    environment.localRank,
    environment.localWorldSize,
    environment.nodeRank,
    environment.numNodes,
  ];

describe("a cluster environment", () => {
  it("is found, and tells this process's place", () => {
    expect(detectClusterEnvironment({})).toBeUndefined();
    const cases = [
      [openMpi, MPIEnvironment, [3, 4, 1, 2, 1, 2]],
      [hydra, MPIEnvironment, [1, 4, 1, 4, 0, 1]],
      [slurm, SLURMEnvironment, [5, 8, 1, 4, 1, 2]],
      [srun, SLURMEnvironment, [1, 2, 1, 2, 0, 1]],
      [torchrun, TorchElasticEnvironment, [6, 8, 2, 4, 1, 2]],
    ] as const;
    for (const [variables, Kind, place] of cases) {
      const environment = detectClusterEnvironment(variables);
      expect(environment).toBeInstanceOf(Kind);
      expect(placeOf(environment)).toEqual(place);
    }
  });

  it("is mpirun's within a job of Slurm", () => {
    expect(detectClusterEnvironment({ ...slurm, ...openMpi })).toBeInstanceOf(MPIEnvironment);
  });

  it("is none in Slurm's scripts and shells, which start one process as any shell", () => {
    expect(detectClusterEnvironment({ ...slurm, SLURM_JOB_NAME: "bash" })).toBeUndefined();
    const warn = vi.spyOn(process, "emitWarning").mockReturnValue();
    const { SLURM_STEP_ID: _, ...script } = slurm;
    expect(detectClusterEnvironment(script)).toBeUndefined();
    expect(warn.mock.calls[0]![0]).toContain("has 8 tasks, and the program was started without srun");
    warn.mockRestore();
  });

  it("of Kubernetes takes the rank from the operator, the job's index, or the host's name", () => {
    expect(detectClusterEnvironment({ ...kubernetes, RANK: "2" })?.globalRank).toBe(2);
    expect(detectClusterEnvironment({ ...kubernetes, JOB_COMPLETION_INDEX: "3" })?.globalRank).toBe(3);
    expect(placeOf(new KubernetesEnvironment(kubernetes, "trainer-1.workers.default.svc"))).toEqual([
      1, 4, 0, 1, 1, 4,
    ]);
    expect(() => new KubernetesEnvironment(kubernetes, "trainer")).toThrow("RANK");
  });

  it("says where processes meet that MPI does not bring together", () => {
    const meet = (variables: Variables) => detectClusterEnvironment(variables)!.rendezvous;
    const there = { MASTER_ADDR: "10.0.0.1", MASTER_PORT: "29500" };
    expect(meet(torchrun)).toEqual({ host: "10.0.0.1", port: 29_500 });
    // torchrun's own store has the port.
    expect(meet({ ...torchrun, TORCHELASTIC_USE_AGENT_STORE: "True" })?.port).toBe(29_501);
    expect(meet({ ...kubernetes, RANK: "1", ...there })?.host).toBe("10.0.0.1");
    expect(meet(openMpi)).toBeUndefined();
    expect(meet(slurm)).toBeUndefined();
    expect(meet({ ...slurm, ...there })?.port).toBe(29_500);
    expect(() => meet({ ...kubernetes, RANK: "1" })).toThrow("MASTER_ADDR, which says it, is missing");
    expect(() => meet({ ...slurm, MASTER_ADDR: "node1" })).toThrow("MASTER_PORT");
  });

  it("names a variable that is missing or no number", () => {
    const { SLURM_LOCALID: _, ...incomplete } = slurm;
    expect(() => detectClusterEnvironment(incomplete)).toThrow(/SLURM_LOCALID .* here it is missing/s);
    expect(() => detectClusterEnvironment({ ...torchrun, LOCAL_RANK: "one" })).toThrow("LOCAL_RANK");
  });
});

describe("the options of the Trainer", () => {
  const check = (variables: Variables, requested: { devices?: number; numNodes?: number }) => () =>
    detectClusterEnvironment(variables)!.validateSettings({
      devices: requested.devices,
      numNodes: requested.numNodes,
    });

  it("may agree with the environment, or say nothing", () => {
    expect(check(slurm, { devices: 4, numNodes: 2 })).not.toThrow();
    expect(check(slurm, {})).not.toThrow();
    expect(check(openMpi, { devices: 2 })).not.toThrow();
  });

  it("are refused with what to set where they differ", () => {
    expect(check(slurm, { devices: 2 })).toThrow(
      /devices: 2, and Slurm has started 4 .*--ntasks-per-node=2/s,
    );
    expect(check(slurm, { numNodes: 4 })).toThrow(/numNodes: 4.*#SBATCH --nodes=4/s);
    expect(check(openMpi, { devices: 4 })).toThrow("--map-by ppr:4:node");
  });

  it("know the usual mistake under Slurm: one task, and devices that should be tasks", () => {
    const job: Variables = { ...srun, SLURM_NTASKS: "1", SLURM_PROCID: "0", SLURM_LOCALID: "0" };
    expect(check(job, { devices: 4 })).toThrow(/Slurm has started one task.*--ntasks-per-node=4.*srun/s);
  });
});

describe("Slurm's job", () => {
  it("has the name that scontrol takes", () => {
    expect(new SLURMEnvironment(slurm).jobId).toBe("4711");
    const array = { ...slurm, SLURM_ARRAY_JOB_ID: "4700", SLURM_ARRAY_TASK_ID: "3" };
    expect(new SLURMEnvironment(array).jobId).toBe("4700_3");
  });
});
