/** The one place where sharp is loaded: pictures run side by side, one thread each, and nothing is kept between them. */
import type sharpPackage from "sharp";
import type { Sharp, SharpInput, SharpOptions } from "sharp";
import { lazyPackage } from "../../lazy_package.js";

const load = lazyPackage<typeof sharpPackage>("sharp");
let loaded: typeof sharpPackage | undefined;

/** As sharp's own function. */
export function sharp(input: SharpInput | SharpOptions, options?: SharpOptions): Sharp {
  if (loaded === undefined) {
    loaded = load();
    loaded.concurrency(1);
    loaded.cache(false);
  }
  return loaded(input as SharpInput, options);
}
