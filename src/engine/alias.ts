/** Another tensor over the same elements, without a kernel call. */
import * as tf from "@tensorflow/tfjs-core";

/** What `tensor.clone()` gives, but that no gradient flows through it. It belongs to the scope that is open. */
export function aliasOf<T extends tf.Tensor>(tensor: T): T {
  const engine = tf.engine();
  engine.backend.incRef(tensor.dataId);
  return engine.makeTensorFromTensorInfo(tensor) as T;
}
