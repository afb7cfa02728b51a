/**
 * Brings the ranks of a program together, once: through MPI or over TCP where a launcher has started them, else as threads of
 * this process.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { ConfigurationError, DistributedError } from "../errors.js";
import { VERSION } from "../version.js";
import type { ClusterEnvironment } from "./environments/cluster_environment.js";
import { joinLocalRanks, launchLocalRanks, localRankData } from "./local/launch.js";
import { MpiGroup } from "./mpi/mpi_group.js";
import { allGatherObject } from "./objects.js";
import { TcpGroup } from "./tcp/tcp_group.js";
import { DEFAULT_TIMEOUT, type ProcessGroup } from "./process_group.js";

/** This process among those of a run. */
export interface Membership {
  group: ProcessGroup;
  localRank: number;
  nodeRank: number;
  /** Ranks of this machine. */
  localWorldSize: number;
}

let membership: Promise<Membership> | undefined;

/** What ranks are joined by. */
export interface JoinOptions {
  /** Milliseconds that ranks wait for each other. Default: 30 minutes. */
  timeout?: number | undefined;
}

/**
 * Joins the other ranks of this program, and starts them where nobody has. A program has one group, which all its Trainers
 * share.
 *
 * @param environment who has started this process; undefined where it starts the others itself
 * @param size ranks that are wanted; undefined for as many as there are
 * @throws ConfigurationError `ERR_WORLD_SIZE` where the program has another group already
 * @throws DistributedError where ranks cannot be started or found, or run another program (`ERR_RANK_SCRIPT`)
 */
export async function joinProcessGroup(
  environment: ClusterEnvironment | undefined,
  size: number | undefined,
  { timeout = DEFAULT_TIMEOUT }: JoinOptions = {},
): Promise<Membership> {
  membership ??= join(environment, size, timeout);
  const joined = await membership;
  if (size === undefined || joined.group.size === size) return joined;
  throw new ConfigurationError(
    "ERR_WORLD_SIZE",
    `${size} ranks were asked for, and this program runs with ${joined.group.size}. All Trainers of a program that train on ` +
      "several ranks share them: give them the same number.",
  );
}

async function join(
  environment: ClusterEnvironment | undefined,
  size: number | undefined,
  timeout: number,
): Promise<Membership> {
  const joined = environment === undefined ? joinLocal(size ?? 1) : await joinCluster(environment, timeout);
  joined.group.timeout = timeout;
  await checkSameProgram(joined.group);
  return joined;
}

function joinLocal(size: number): Membership {
  const data = localRankData();
  const group = data === undefined ? launchLocalRanks(size) : joinLocalRanks(data);
  return { group, localRank: group.rank, nodeRank: 0, localWorldSize: group.size };
}

async function joinCluster(environment: ClusterEnvironment, timeout: number): Promise<Membership> {
  const { worldSize, globalRank, localRank, nodeRank, localWorldSize, name, rendezvous } = environment;
  const group =
    rendezvous === undefined
      ? await MpiGroup.join()
      : await TcpGroup.join({ ...rendezvous, rank: globalRank, size: worldSize, timeout });
  if (group.size === worldSize) return { group, localRank, nodeRank, localWorldSize };
  throw new DistributedError(
    "ERR_MPI_WORLD",
    `${name} says that there are ${worldSize} processes, and MPI knows of ${group.size}. The launcher and the MPI library do not ` +
      "fit together: use the mpirun of the library's own installation, or srun --mpi=pmix. Or set MASTER_ADDR and MASTER_PORT " +
      "to rank 0's address and a free port under srun, and no MPI is needed.",
  );
}

/** Ranks that run different programs would wait for each other in the wrong places. */
async function checkSameProgram(group: ProcessGroup): Promise<void> {
  const script = process.argv[1];
  const bytes = script === undefined ? "" : await readFile(script).catch(() => "");
  const own = { version: VERSION, script: createHash("sha256").update(bytes).digest("hex") };
  const all = await allGatherObject(group, own);
  const rank = all.findIndex(({ version, script }) => version !== own.version || script !== own.script);
  if (rank === -1) return;
  const what =
    all[rank]!.version === own.version
      ? `other contents of ${script} than rank ${rank}`
      : `Kindling ${own.version}, and rank ${rank} Kindling ${all[rank]!.version}`;
  throw new DistributedError(
    "ERR_RANK_SCRIPT",
    `Rank ${group.rank} runs ${what}. Put the same files on all machines, for instance on a disk that they share.`,
    { rank },
  );
}
