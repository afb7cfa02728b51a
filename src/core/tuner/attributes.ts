/** Finds and sets what is tuned, by name, where a module or its data keep it. */
import { ConfigurationError } from "../../errors.js";
import type { DataModule } from "../data_module.js";
import type { AnyLightningModule } from "../lightning_module.js";

export class TunedAttribute {
  readonly name: string;
  readonly #holders: readonly Record<string, unknown>[];

  private constructor(name: string, holders: readonly Record<string, unknown>[]) {
    this.name = name;
    this.#holders = holders;
  }

  /**
   * The first of the names that the module, its `hparams`, the data module or its `hparams` has.
   *
   * @throws ConfigurationError `ERR_TUNER_ATTRIBUTE` where none of them has one
   */
  static find(
    module: AnyLightningModule,
    dataModule: DataModule,
    names: readonly string[],
    option: string,
  ): TunedAttribute {
    const places = [module, module.hparams, dataModule, dataModule.hparams] as Record<string, unknown>[];
    for (const name of names) {
      const holders = places.filter((place) => typeof place[name] === "number");
      if (holders.length > 0) return new TunedAttribute(name, holders);
    }
    const owner = module.constructor.name;
    throw new ConfigurationError(
      "ERR_TUNER_ATTRIBUTE",
      `Neither ${owner}, nor its data, nor the hparams of either have a number named ${names.map((name) => JSON.stringify(name)).join(" or ")} ` +
        `to tune. Give one of them such a field and use it, or name yours with ${option}.`,
    );
  }

  get value(): number {
    return this.#holders[0]![this.name] as number;
  }

  /** Sets it wherever it was found. */
  set value(value: number) {
    for (const holder of this.#holders) holder[this.name] = value;
  }
}
