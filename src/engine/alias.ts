/** Another tensor over the same elements, without a kernel call. */
import * as tf from "@tensorflow/tfjs-core";

/**
 * What `tensor.clone()` gives, but that no gradient flows through it. It belongs to the scope that is open.
 * @throws Error TF.js's own, where the tensor is disposed
 */
export function aliasOf<T extends tf.Tensor>(tensor: T): T {
  tensor.throwIfDisposed();
  const engine = tf.engine();
  engine.backend.incRef(tensor.dataId);
  return engine.makeTensorFromTensorInfo(tensor) as T;
}
