/** What a Fabric has set up: each object once, and of the right kind. */
import { ConfigurationError } from "../../errors.js";
import { LrScheduler, Module, Optimizer, type AnyModule } from "../../nn/index.js";
import { FabricDataLoader } from "./fabric_data_loader.js";
import { FabricOptimizer } from "./fabric_optimizer.js";

export class SetUpObjects {
  readonly #modules = new Set<AnyModule>();
  readonly #others = new WeakSet<object>();

  get modules(): readonly AnyModule[] {
    return [...this.#modules];
  }

  /** @throws ConfigurationError `ERR_FABRIC_SETUP` for what is no module, or is set up already */
  addModule(method: string, module: unknown): void {
    if (!(module instanceof Module)) {
      throw setupError(method, `takes a Module first, and ${describe(module)} came.`);
    }
    if (this.#modules.has(module as AnyModule)) throw twice(method, module);
    this.#modules.add(module as AnyModule);
  }

  /** @throws ConfigurationError `ERR_FABRIC_SETUP` for a module that is not set up */
  requireModule(method: string, module: AnyModule): void {
    if (!this.#modules.has(module))
      throw setupError(method, "takes a module that is set up: call fabric.setup(module) first.");
  }

  /** @throws ConfigurationError `ERR_FABRIC_SETUP` for what is no optimizer, or is set up already */
  addOptimizer(method: string, optimizer: unknown): Optimizer {
    if (optimizer instanceof FabricOptimizer) throw twice(method, optimizer);
    if (!(optimizer instanceof Optimizer)) {
      throw setupError(method, `takes optimizers, and ${describe(optimizer)} came.`);
    }
    this.#addOnce(method, optimizer);
    return optimizer as Optimizer;
  }

  /** @throws ConfigurationError `ERR_FABRIC_SETUP` for a schedule of an optimizer that is not set up with it */
  addScheduler(method: string, scheduler: unknown, optimizers: readonly Optimizer[]): void {
    if (!(scheduler instanceof LrScheduler)) {
      throw setupError(method, `takes an LrScheduler as \`scheduler\`, and ${describe(scheduler)} came.`);
    }
    if (!optimizers.includes(scheduler.optimizer)) {
      throw setupError(method, "was given a scheduler of an optimizer that was not given with it.");
    }
    this.#addOnce(method, scheduler);
  }

  /** @throws ConfigurationError `ERR_FABRIC_SETUP` for what cannot be iterated, or is set up already */
  addLoader(loader: unknown): void {
    const method = "setupDataloaders";
    if (loader instanceof FabricDataLoader) throw twice(method, loader);
    const isLoader =
      typeof loader === "object" &&
      loader !== null &&
      (Symbol.asyncIterator in loader || Symbol.iterator in loader);
    if (!isLoader) {
      throw setupError(
        method,
        `takes loaders, which give batches in a for await loop, and ${describe(loader)} came. A dataset needs one: new DataLoader(dataset).`,
      );
    }
    this.#addOnce(method, loader);
  }

  #addOnce(method: string, object: object): void {
    if (this.#others.has(object)) throw twice(method, object);
    this.#others.add(object);
  }
}

function twice(method: string, object: object): ConfigurationError {
  return setupError(
    method,
    `was given an object of class ${object.constructor.name} that is set up already. Set each object up only once, and use what that gave.`,
  );
}

function setupError(method: string, message: string): ConfigurationError {
  return new ConfigurationError("ERR_FABRIC_SETUP", `${method} ${message}`);
}

function describe(value: unknown): string {
  if (typeof value !== "object" || value === null) return `${String(value)} (${typeof value})`;
  return `an object of class ${value.constructor.name}`;
}
