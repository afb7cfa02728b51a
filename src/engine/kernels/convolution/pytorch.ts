/** Convolutions whose weight lies as in PyTorch, which is how the graph's operators want it. */
import type { OnnxRuntimeBackend } from "../../backend.js";
import { inBlocks } from "../../blocked/layout.js";
import * as columns from "./columns.js";
import { convolve, inputGradient, picture, weightGradient } from "./index.js";
import { explicitPadding, type ConvolutionSizes } from "../../fused/convolution.js";
import { reshapeValue } from "../../layout.js";
import type { KernelAttributes, Lowerings } from "../lowering.js";
import { convInfo, imageOrder, type ConvInfo } from "./geometry.js";

type Weight = readonly [out: number, perGroup: number, height: number, width: number];

export const pytorchConvolution: Lowerings = {
  Convolution: ({ x, weight }, attributes, backend) => {
    const { info, depthwise } = convolutionOf(x!.shape, weight!.shape, attributes);
    if (!depthwise && takesColumns(backend, info, attributes)) {
      const order = imageOrder(info);
      const value = columns.convolve(backend.value(x!, order), backend.value(weight!), info);
      return picture(backend, inBlocks({ value, order }, order), info.outShape, info, true);
    }
    return convolve(backend, x!, backend.value(weight!), info, depthwise);
  },
  ConvolutionInputGrad: ({ dy, weight }, attributes, backend) => {
    const { info, depthwise } = convolutionOf(attributes.inShape as number[], weight!.shape, attributes);
    return inputGradient(backend, dy!, backend.value(weight!), info, depthwise);
  },
  ConvolutionWeightGrad: ({ x, dy }, attributes, backend) => {
    const weightShape = attributes.weightShape as number[];
    const { info, depthwise } = convolutionOf(x!.shape, weightShape, attributes);
    if (!depthwise && takesColumns(backend, info, attributes)) {
      const [image, output] = [x!, dy!].map((tensor) => backend.value(tensor, imageOrder(info)));
      return backend.output(columns.weightGradient(image!, output!, info), weightShape, "float32");
    }
    const gradient = weightGradient(backend, x!, dy!, info, depthwise);
    return backend.output(reshapeValue(gradient, weightShape), weightShape, "float32");
  },
};

/** Not in inference, where the weight is brought into blocks once. */
function takesColumns(backend: OnnxRuntimeBackend, info: ConvInfo, { trains }: KernelAttributes): boolean {
  const block = backend.blockSize();
  return trains === true && block > 0 && info.outChannels % block === 0 && columns.takesColumns(info);
}

function convolutionOf(
  inShape: readonly number[],
  weightShape: readonly number[],
  attributes: KernelAttributes,
): { info: ConvInfo; depthwise: boolean } {
  const [out, perGroup, height, width] = weightShape as Weight;
  const channels = inShape[3]!;
  const depthwise = perGroup !== channels;
  const filter = depthwise ? [height, width, channels, out / channels] : [height, width, channels, out];
  const pad = explicitPadding(attributes.padding as ConvolutionSizes["padding"]);
  return { info: convInfo(inShape, filter, { ...attributes, pad }, depthwise), depthwise };
}
