/** Where the engine computes: what this machine has, and the choice among it. */
export { ACCELERATORS, availableAccelerators, type Accelerator, type AcceleratorInfo } from "./available.js";
export {
  chooseAccelerator,
  loadTensorFlow,
  type AcceleratorOptions,
  type ChosenAccelerator,
} from "./choose.js";
