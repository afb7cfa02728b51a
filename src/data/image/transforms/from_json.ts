/** Restores transforms from their JSON description. */
import { ConfigurationError, describeChoices } from "../../../errors.js";
import { ColorJitter } from "./color_jitter.js";
import { Compose } from "./compose.js";
import { CenterCrop, RandomCrop } from "./crop.js";
import { RandomHorizontalFlip, RandomVerticalFlip } from "./flip.js";
import { RandAugment } from "./rand_augment.js";
import { RandomResizedCrop } from "./random_resized_crop.js";
import { Resize } from "./resize.js";
import type { ImageTransform, TransformDescription } from "./transform.js";

type Factory<Options> = (options: Options) => ImageTransform;

const factories = new Map<string, Factory<never>>();

registerImageTransform("CenterCrop", (options: CenterCrop["options"]) => new CenterCrop(options));
registerImageTransform("ColorJitter", (options: ColorJitter["options"]) => new ColorJitter(options));
registerImageTransform("Compose", ({ transforms }: Compose["options"]) => {
  return new Compose(transforms.map(imageTransformFromJSON));
});
registerImageTransform("RandAugment", (options: RandAugment["options"]) => new RandAugment(options));
registerImageTransform("RandomCrop", (options: RandomCrop["options"]) => new RandomCrop(options));
registerImageTransform("RandomHorizontalFlip", (options: RandomHorizontalFlip["options"]) => {
  return new RandomHorizontalFlip(options);
});
registerImageTransform("RandomResizedCrop", (options: RandomResizedCrop["options"]) => {
  return new RandomResizedCrop(options);
});
registerImageTransform("RandomVerticalFlip", (options: RandomVerticalFlip["options"]) => {
  return new RandomVerticalFlip(options);
});
registerImageTransform("Resize", (options: Resize["options"]) => new Resize(options));

/** Makes a transform of your own known by its name, so that a saved model that uses it can be loaded. */
export function registerImageTransform<Options extends object>(name: string, create: Factory<Options>): void {
  factories.set(name, create);
}

/**
 * The transform that `toJSON` described.
 *
 * @throws ConfigurationError `ERR_TRANSFORM_UNKNOWN` for a name that nobody registered
 */
export function imageTransformFromJSON({ name, options }: TransformDescription): ImageTransform {
  const create = factories.get(name);
  if (create === undefined) {
    throw new ConfigurationError(
      "ERR_TRANSFORM_UNKNOWN",
      `No image transform is called ${JSON.stringify(name)}. ${describeChoices(name, [...factories.keys()])} ` +
        "Make your own known with registerImageTransform().",
    );
  }
  return create(options as never);
}
