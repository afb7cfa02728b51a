/** Functions that Fabric is given, checked before they run. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";

/** @throws ConfigurationError `ERR_FABRIC_LAUNCH` for what `launch` cannot call with a Fabric */
export function checkMain(main: unknown): void {
  if (typeof main !== "function") {
    throw new ConfigurationError(
      "ERR_FABRIC_LAUNCH",
      `launch takes a function, and ${main instanceof Promise ? "a promise" : `${typeof main}`} came. ` +
        "Give it the function itself with its arguments behind, launch(main, argument), not what it returns, launch(main(argument)).",
    );
  }
  if (main.length === 0) {
    throw new ConfigurationError(
      "ERR_FABRIC_LAUNCH",
      `launch calls ${main.name || "its function"} with this Fabric, for which the function has no parameter. Add one: (fabric) => …`,
    );
  }
}

/** @throws ConfigurationError `ERR_FABRIC_BACKWARD` for a loss instead of the function that computes it */
export function checkLossFunction(loss: unknown): void {
  if (typeof loss === "function") return;
  const came = loss instanceof tf.Tensor ? "a tensor" : typeof loss;
  throw new ConfigurationError(
    "ERR_FABRIC_BACKWARD",
    `backward takes the function that computes the loss, and ${came} came. Write fabric.backward(() => loss) with the ` +
      "forward pass inside the function: gradients are known only of what runs in it.",
  );
}
