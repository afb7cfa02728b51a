/**
 * Calls hooks: first those of the callbacks in their order, then the module's. Everything a user overrides is called
 * through `callHook`, so that `log()` knows where it was called from.
 */
import { ConfigurationError } from "../errors.js";
import type { Callback } from "./callbacks/callback.js";
import { DataModule } from "./data_module.js";
import { LightningModule, type AnyLightningModule } from "./lightning_module.js";
import type { ModuleHooks } from "./module_hooks.js";
import { PassThroughProfiler, type Profiler } from "./profilers/profiler.js";
import type { Trainer } from "./trainer.js";

/** The hooks that callbacks and modules share. A callback's takes `(trainer, module)` before the arguments. */
export type HookName = Extract<keyof ModuleHooks, keyof Callback>;
type HookArguments<Name extends HookName> = Parameters<NonNullable<ModuleHooks[Name]>>;
type AnyFunction = (...args: unknown[]) => unknown;

/** The hooks on a batch's way to the device, which a data module may have instead of the module. */
export type TransferHook = "onBeforeBatchTransfer" | "transferBatchToDevice" | "onAfterBatchTransfer";

export class Hooks {
  readonly callbacks: readonly Callback[];
  readonly module: AnyLightningModule;
  readonly dataModule: DataModule;
  readonly #trainer: Trainer;
  /** Undefined where nothing is to be profiled, which then costs nothing. */
  readonly #profiler: Profiler | undefined;
  #running: string | undefined;

  constructor(
    trainer: Trainer,
    module: AnyLightningModule,
    callbacks: readonly Callback[],
    dataModule = new DataModule(),
  ) {
    this.#trainer = trainer;
    this.module = module;
    this.callbacks = callbacks;
    this.dataModule = dataModule;
    const { profiler } = trainer;
    this.#profiler = profiler instanceof PassThroughProfiler ? undefined : profiler;
  }

  /** Runs a part of the Trainer's own work as an action of the profiler. */
  profile<T>(action: string, body: () => T): T {
    return this.#profiler === undefined ? body() : this.#profiler.profile(action, body);
  }

  /** The same items, with the wait for each as an action of the profiler. */
  profileNext<Item>(action: string, items: AsyncGenerator<Item>): AsyncIterable<Item> {
    const profiler = this.#profiler;
    if (profiler === undefined) return items;
    const next = () => profiler.profile(action, () => items.next());
    return { [Symbol.asyncIterator]: () => ({ next, return: () => items.return(undefined) }) };
  }

  /** The name of the hook or step that runs now. */
  get running(): string | undefined {
    return this.#running;
  }

  /** Calls one method where its owner has it, and gives back its result, a promise included. */
  callHook(owner: object, name: string, ...args: unknown[]): unknown {
    const hook = (owner as Record<string, unknown>)[name];
    if (typeof hook !== "function") return undefined;
    if (this.#profiler === undefined) return this.#call(owner, name, hook as AnyFunction, args);
    const action = `[${this.#kindOf(owner)}]${owner.constructor.name}.${name}`;
    return this.#profiler.profile(action, () => this.#call(owner, name, hook as AnyFunction, args));
  }

  #call(owner: object, name: string, hook: AnyFunction, args: unknown[]): unknown {
    const outer = this.#running;
    this.#running = name;
    let result: unknown;
    try {
      result = hook.apply(owner, args);
    } catch (error) {
      this.#running = outer;
      throw error;
    }
    if (!(result instanceof Promise)) {
      this.#running = outer;
      return result;
    }
    return result.finally(() => (this.#running = outer));
  }

  #kindOf(owner: object): string {
    if (owner === this.module) return "LightningModule";
    return owner === this.dataModule ? "DataModule" : "Callback";
  }

  /**
   * Calls a transfer hook of the data module where it has one, else of the module.
   *
   * @throws ConfigurationError `ERR_HOOK_TWICE` where both have one, as one of them would be left out
   */
  callTransfer(name: TransferHook, batch: unknown, dataloaderIdx: number): unknown {
    const { module, dataModule } = this;
    if (dataModule[name] === undefined) return this.callHook(module, name, batch, dataloaderIdx);
    if (module[name] === LightningModule.prototype[name])
      return this.callHook(dataModule, name, batch, dataloaderIdx);
    throw new ConfigurationError(
      "ERR_HOOK_TWICE",
      `${module.constructor.name} and ${dataModule.constructor.name} both have ${name}, and only one can be called. ` +
        "Remove one of them.",
    );
  }

  /** Calls a hook of all callbacks, then of the module, each after the one before has settled. Gives their results. */
  async callAll<Name extends HookName>(name: Name, ...args: HookArguments<Name>): Promise<unknown[]> {
    const results = await this.callCallbacks(this.callbacks, name, ...args);
    results.push(await this.callHook(this.module, name, ...args));
    return results;
  }

  /**
   * Calls one of the module's methods that run inside a step.
   *
   * @throws ConfigurationError `ERR_HOOK_ASYNC` where it returns a promise
   */
  callNow(name: string, ...args: unknown[]): void {
    refusePromise(name, this.callHook(this.module, name, ...args));
  }

  async callCallbacks(
    callbacks: readonly Callback[],
    name: Exclude<keyof Callback, "stateKey" | "monitors" | "findLastCheckpoints">,
    ...args: unknown[]
  ): Promise<unknown[]> {
    const results: unknown[] = [];
    for (const callback of callbacks) {
      results.push(await this.callHook(callback, name, this.#trainer, this.module, ...args));
    }
    return results;
  }

  /**
   * Calls a hook that runs inside a training step, on the device and at once.
   *
   * @throws ConfigurationError `ERR_HOOK_ASYNC` where it returns a promise
   */
  callAllNow<Name extends HookName>(name: Name, ...args: HookArguments<Name>): void {
    for (const callback of this.callbacks) {
      refusePromise(name, this.callHook(callback, name, this.#trainer, this.module, ...args));
    }
    refusePromise(name, this.callHook(this.module, name, ...args));
  }
}

/** Steps record operators in one synchronous scope, which an asynchronous function would leave too early. */
export function refusePromise(name: string, result: unknown): void {
  if (!(result instanceof Promise)) return;
  result.catch(() => undefined);
  throw new ConfigurationError(
    "ERR_HOOK_ASYNC",
    `\`${name}\` returned a promise. It runs inside a step, which is synchronous so that its tensors can be freed: ` +
      "remove async, and do what must wait in onBeforeBatchTransfer or in a batch, epoch or fit hook.",
  );
}
