/** Arrays as the data pipeline makes them: plain memory, not yet on a device. */
export type HostArray = Float32Array | Int32Array | Uint8Array;

/** `uint8` becomes float32 on the device, with its values 0 to 255 kept; `bool` holds 0 and 1. */
export type HostDType = "float32" | "int32" | "uint8" | "bool";

/** A dense row-major array in host memory. The Trainer turns every one in a batch into a tensor. */
export class HostTensor {
  readonly data: HostArray;
  readonly shape: readonly number[];
  readonly dtype: HostDType;

  constructor(data: HostArray, shape: readonly number[], dtype: HostDType = defaultDType(data)) {
    const size = shape.reduce((product, length) => product * length, 1);
    if (size !== data.length) {
      throw new RangeError(
        `A tensor of shape [${shape.join(", ")}] holds ${size} values, not ${data.length}.`,
      );
    }
    this.data = data;
    this.shape = shape;
    this.dtype = dtype;
  }
}

function defaultDType(data: HostArray): HostDType {
  if (data instanceof Float32Array) return "float32";
  return data instanceof Int32Array ? "int32" : "uint8";
}
