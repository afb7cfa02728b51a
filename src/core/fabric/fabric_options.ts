/** Fabric's options: their defaults in one place. */
import { ConfigurationError, describeChoices } from "../../errors.js";
import type { Logger } from "../loggers/logger.js";
import type { StrategyOptions } from "../strategies/index.js";

/** Options of `Fabric`. */
export interface FabricOptions extends StrategyOptions {
  /** Objects whose methods `fabric.call` calls: Kindling's callbacks or your own. Default: none. */
  callbacks?: object | readonly object[];
  /** Where `fabric.log` writes. Default: none. */
  loggers?: Logger | readonly Logger[];
}

export interface ResolvedFabricOptions {
  callbacks: object[];
  loggers: Logger[];
}

const names: Record<keyof FabricOptions, true> = {
  accelerator: true,
  strategy: true,
  devices: true,
  numNodes: true,
  precision: true,
  plugins: true,
  callbacks: true,
  loggers: true,
};

/** @throws ConfigurationError `ERR_FABRIC_OPTION` for an unknown option or a value it cannot have */
export function resolveFabricOptions(given: FabricOptions): ResolvedFabricOptions {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(names, name));
  if (unknown !== undefined) {
    throw new ConfigurationError(
      "ERR_FABRIC_OPTION",
      `Fabric has no option ${JSON.stringify(unknown)}. ${describeChoices(unknown, Object.keys(names))}`,
    );
  }
  const { callbacks = [], loggers = [] } = given;
  return { callbacks: objects("callbacks", callbacks), loggers: objects("loggers", loggers) as Logger[] };
}

function objects(option: string, given: object): object[] {
  const list = [given].flat() as unknown[];
  const stray = list.find((item) => typeof item !== "object" || item === null);
  if (stray === undefined) return list as object[];
  throw new ConfigurationError(
    "ERR_FABRIC_OPTION",
    `Fabric's option ${option} takes an object or an array of them, and ${JSON.stringify(stray) ?? typeof stray} came.`,
  );
}
