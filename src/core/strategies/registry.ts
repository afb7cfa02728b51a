/** The strategies there are, by the names that the option `strategy` takes. */
import { ConfigurationError, describeChoices } from "../../errors.js";
import type { ClusterEnvironment } from "../../distributed/index.js";
import { DDPStrategy } from "./ddp.js";
import { SingleDeviceStrategy } from "./single_device.js";
import type { Strategy, StrategyParts } from "./strategy.js";
import { ZeRO1Strategy } from "./zero1.js";

/** What a strategy is made of, from the options of the Trainer or of Fabric. */
export interface StrategyRequest extends StrategyParts {
  /** Ranks on each machine; undefined for as many as were started. */
  devices: number | undefined;
  /** Machines; undefined likewise. */
  numNodes: number | undefined;
  /** Which GPUs they use, where these were listed. */
  deviceIds?: readonly number[];
  /** Who has started this process; undefined where a user has. */
  environment?: ClusterEnvironment;
}

/** Makes a strategy of a registered name. */
export type StrategyFactory = (request: StrategyRequest) => Strategy;

const factories = new Map<string, StrategyFactory>([
  ["auto", (request) => distributed(DDPStrategy, request)],
  ["single_device", singleDevice],
  ["ddp", (request) => distributed(DDPStrategy, request)],
  ["zero1", (request) => distributed(ZeRO1Strategy, request)],
]);

/** Where strategies are found by name. */
export const strategyRegistry = {
  /** The names that the option `strategy` takes. */
  get names(): string[] {
    return [...factories.keys()];
  },

  /**
   * Adds a strategy of your own, or replaces one.
   *
   * @param create throws a ConfigurationError for a request that it cannot fulfil
   */
  register(name: string, create: StrategyFactory): void {
    factories.set(name, create);
  },

  /** @throws ConfigurationError `ERR_STRATEGY_OPTION` for a name that does not exist, and what the factory throws */
  create(name: string, request: StrategyRequest): Strategy {
    const create = factories.get(name);
    if (create !== undefined) return create(request);
    throw new ConfigurationError(
      "ERR_STRATEGY_OPTION",
      `There is no strategy ${JSON.stringify(name)}. ${describeChoices(name, this.names)}`,
    );
  },
};

function singleDevice(request: StrategyRequest): Strategy {
  const { devices = 1, numNodes = 1, deviceIds, environment: _, ...parts } = request;
  if (devices === 1 && numNodes === 1) {
    const [deviceId] = deviceIds ?? [];
    return new SingleDeviceStrategy({ ...parts, ...(deviceId === undefined ? {} : { deviceId }) });
  }
  throw new ConfigurationError(
    "ERR_STRATEGY_OPTION",
    `The strategy "single_device" is for one process, and devices: ${devices} with numNodes: ${numNodes} was asked for. ` +
      'Use the strategy "ddp", or leave the strategy out.',
  );
}

/**
 * Of one rank it is the same as a single device.
 *
 * @throws ConfigurationError `ERR_CLUSTER_SETTINGS` where the options differ from what was started
 */
function distributed(Kind: typeof DDPStrategy, request: StrategyRequest): Strategy {
  const { devices, numNodes, environment, deviceIds, ...parts } = request;
  environment?.validateSettings({ devices, numNodes });
  if (environment === undefined && numNodes !== undefined && numNodes > 1) {
    throw new ConfigurationError(
      "ERR_STRATEGY_OPTION",
      `Training on ${numNodes} machines was asked for, and only one was started. Call the program with ` +
        `\`mpirun -n ${numNodes * (devices ?? 1)} --host …\`, with srun in a Slurm job, or on each machine with the variables ` +
        "MASTER_ADDR, MASTER_PORT, WORLD_SIZE, RANK, LOCAL_RANK and LOCAL_WORLD_SIZE, as torchrun sets them.",
    );
  }
  const worldSize = environment?.worldSize ?? devices ?? 1;
  if (worldSize === 1) return singleDevice({ ...request, numNodes: 1 });
  return new Kind({ ...parts, worldSize, environment, deviceIds });
}
