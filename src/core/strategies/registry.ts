/** The strategies there are, by the names that the option `strategy` takes. */
import { ConfigurationError, describeChoices } from "../../errors.js";
import { SingleDeviceStrategy } from "./single_device.js";
import type { Strategy, StrategyParts } from "./strategy.js";

/** What a strategy is made of, from the options of the Trainer or of Fabric. */
export interface StrategyRequest extends StrategyParts {
  /** Processes on each machine. */
  devices: number;
  /** Machines. */
  numNodes: number;
}

/** Makes a strategy of a registered name. */
export type StrategyFactory = (request: StrategyRequest) => Strategy;

const factories = new Map<string, StrategyFactory>([
  ["auto", singleDevice],
  ["single_device", singleDevice],
  ["ddp", singleDevice],
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

/** Several processes on one device each are what "ddp" means; of one process it is the same as none. */
function singleDevice({ devices, numNodes, ...parts }: StrategyRequest): Strategy {
  if (devices === 1 && numNodes === 1) return new SingleDeviceStrategy(parts);
  throw new ConfigurationError(
    "ERR_STRATEGY_OPTION",
    `Training on ${devices} devices of ${numNodes} machine${numNodes === 1 ? "" : "s"} was asked for. So far one process ` +
      'trains on one device; the strategy "ddp" for several is still to come. Use devices: 1 and numNodes: 1.',
  );
}
