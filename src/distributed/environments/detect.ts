/** Finds out who has started this process. */
import type { ClusterEnvironment, Variables } from "./cluster_environment.js";
import { KubernetesEnvironment } from "./kubernetes_environment.js";
import { MPIEnvironment } from "./mpi_environment.js";
import { SLURMEnvironment } from "./slurm_environment.js";
import { TorchElasticEnvironment } from "./torch_elastic_environment.js";

/** In the order of Lightning's; mpirun within a Slurm job is nearer than Slurm. */
const ENVIRONMENTS = [
  TorchElasticEnvironment,
  MPIEnvironment,
  SLURMEnvironment,
  KubernetesEnvironment,
] as const;

/**
 * What the variables of this process say about who has started it.
 *
 * @returns undefined for a process that a user has started, as on a laptop
 * @throws ConfigurationError `ERR_CLUSTER_VARIABLE` where a launcher's variables are incomplete
 */
export function detectClusterEnvironment(variables: Variables = process.env): ClusterEnvironment | undefined {
  const Environment = ENVIRONMENTS.find((one) => one.detect(variables));
  return Environment && new Environment(variables);
}
