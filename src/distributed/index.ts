/** Ranks that work together: process groups, and who has started them. */
export {
  ClusterEnvironment,
  type Rendezvous,
  type RequestedRanks,
  type Variables,
} from "./environments/cluster_environment.js";
export { detectClusterEnvironment } from "./environments/detect.js";
export { KubernetesEnvironment } from "./environments/kubernetes_environment.js";
export { MPIEnvironment } from "./environments/mpi_environment.js";
export { SLURMEnvironment } from "./environments/slurm_environment.js";
export { TorchElasticEnvironment } from "./environments/torch_elastic_environment.js";
export { joinProcessGroup, type JoinOptions, type Membership } from "./join.js";
export { ownLocalRank } from "./local/launch.js";
export { allGatherObject, allGatherObjectNow, broadcastObject } from "./objects.js";
export { ProcessGroup, type CollectiveArray, type NumericArray, type ReduceOp } from "./process_group.js";
export { CollectiveWork } from "./collective_work.js";
