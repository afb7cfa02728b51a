/** Convolutions, pools, resizing and sampling against ONNX Runtime and finite differences. */
import { describe } from "vitest";
import {
  checkNodes,
  data,
  fixed,
  float,
  int,
  ints,
  text,
  whole,
  type CheckOptions,
  type Row,
} from "./support.js";

const linear: CheckOptions = { gradient: { step: 1, tolerance: 1e-3 } };

describe("convolutions", () => {
  const conv = (name: string, x: number[], weight: number[], attributes = {}, operator = "Conv"): Row => {
    const groups = (attributes as { group?: { value: number } }).group?.value ?? 1;
    const outputs = operator === "Conv" ? weight[0]! : weight[1]! * groups;
    return [name, { operator, attributes, inputs: [data(x), data(weight), data([outputs])] }, linear];
  };
  checkNodes([
    conv("over one axis", [2, 3, 9], [4, 3, 3], { pads: ints(1, 2), strides: ints(2) }),
    conv("with dilation and uneven padding", [1, 2, 7, 8], [3, 2, 3, 2], {
      dilations: ints(2, 1),
      pads: ints(1, 0, 2, 1),
    }),
    conv("with automatic padding", [1, 2, 7, 6], [3, 2, 3, 3], {
      strides: ints(2, 2),
      auto_pad: text("SAME_UPPER"),
    }),
    conv("with automatic padding in front", [1, 2, 7, 6], [3, 2, 2, 2], { auto_pad: text("SAME_LOWER") }),
    conv("in two groups", [1, 4, 5, 5], [6, 2, 3, 3], { group: int(2) }),
    conv("channel by channel", [1, 4, 5, 5], [8, 1, 3, 3], { group: int(4), pads: ints(1, 1, 1, 1) }),
    conv("over volumes", [1, 2, 4, 5, 4], [3, 2, 2, 2, 2], {
      pads: ints(0, 1, 0, 1, 0, 1),
      strides: ints(1, 2, 1),
    }),
    conv("over dilated volumes in groups", [1, 2, 5, 5, 5], [4, 1, 2, 2, 2], {
      dilations: ints(2, 1, 2),
      group: int(2),
    }),
    conv(
      "over one axis",
      [2, 3, 5],
      [3, 2, 3],
      { strides: ints(2), output_padding: ints(1) },
      "ConvTranspose",
    ),
    conv(
      "with padding",
      [1, 2, 4, 3],
      [2, 3, 3, 3],
      { strides: ints(2, 2), pads: ints(1, 1, 1, 1), output_padding: ints(1, 0) },
      "ConvTranspose",
    ),
    conv(
      "to a given shape",
      [1, 2, 3, 3],
      [2, 2, 3, 3],
      { strides: ints(3, 2), output_shape: ints(10, 8) },
      "ConvTranspose",
    ),
    conv(
      "to twice the size",
      [1, 2, 3, 4],
      [2, 2, 3, 3],
      { strides: ints(2, 2), auto_pad: text("SAME_UPPER") },
      "ConvTranspose",
    ),
    conv("with dilation", [1, 1, 3, 3], [1, 2, 2, 2], { dilations: ints(2, 2) }, "ConvTranspose"),
    conv("in groups", [1, 4, 3, 3], [4, 2, 2, 2], { group: int(2) }, "ConvTranspose"),
    conv(
      "channel by channel",
      [1, 3, 3, 3],
      [3, 1, 4, 4],
      { group: int(3), strides: ints(2, 2), pads: ints(1, 1, 1, 1) },
      "ConvTranspose",
    ),
    conv(
      "over volumes",
      [1, 2, 2, 3, 2],
      [2, 2, 2, 2, 2],
      { strides: ints(2, 1, 2), pads: ints(0, 1, 0, 0, 0, 1) },
      "ConvTranspose",
    ),
  ]);
});

describe("pools", () => {
  const pool = (operator: string, name: string, x: number[], attributes: object): Row => [
    name,
    { operator, attributes: { ...attributes }, inputs: [data(x)] },
    operator === "AveragePool" ? linear : {},
  ];
  const spread = (operator: string, name: string, x: number[], attributes: object): Row => {
    const [, node] = pool(operator, name, x, attributes);
    // Far enough apart for no small step to change which is the largest.
    return [name, node, { gradient: { step: 1e-3, tolerance: 5e-2 } }];
  };
  checkNodes([
    spread("MaxPool", "over one axis", [1, 2, 9], { kernel_shape: ints(3), strides: ints(2) }),
    spread("MaxPool", "rounded up", [1, 2, 6, 6], {
      kernel_shape: ints(3, 3),
      strides: ints(2, 2),
      ceil_mode: int(1),
    }),
    spread("MaxPool", "with padding and dilation", [1, 2, 6, 6], {
      kernel_shape: ints(2, 2),
      dilations: ints(2, 2),
      pads: ints(1, 1, 1, 1),
    }),
    spread("MaxPool", "over volumes", [1, 2, 4, 4, 4], {
      kernel_shape: ints(2, 2, 2),
      pads: ints(1, 0, 0, 0, 1, 0),
    }),
    pool("AveragePool", "over one axis", [1, 2, 9], { kernel_shape: ints(3), strides: ints(2) }),
    pool("AveragePool", "without counting what is padded", [1, 2, 5, 6], {
      kernel_shape: ints(3, 3),
      pads: ints(1, 0, 2, 1),
    }),
    pool("AveragePool", "counting what is padded", [1, 2, 5, 5], {
      kernel_shape: ints(3, 3),
      pads: ints(1, 1, 1, 1),
      count_include_pad: int(1),
    }),
    pool("AveragePool", "rounded up", [1, 1, 6, 6], {
      kernel_shape: ints(3, 3),
      strides: ints(2, 2),
      ceil_mode: int(1),
    }),
    pool("AveragePool", "with dilation", [1, 1, 6, 6], { kernel_shape: ints(2, 2), dilations: ints(2, 2) }),
    pool("AveragePool", "over volumes", [1, 1, 4, 4, 3], {
      kernel_shape: ints(2, 2, 2),
      strides: ints(2, 1, 1),
    }),
    [
      "by squares",
      {
        operator: "LpPool",
        opset: 18,
        attributes: { kernel_shape: ints(2, 2), strides: ints(2, 2) },
        inputs: [data([1, 2, 4, 4], 0.5, 2)],
      },
    ],
    ["of all space", { operator: "GlobalAveragePool", inputs: [data([2, 3, 4, 2])] }, linear],
    [
      "of all space",
      { operator: "GlobalMaxPool", inputs: [data([2, 3, 4])] },
      { gradient: { step: 1e-3, tolerance: 5e-2 } },
    ],
    ["of all space", { operator: "GlobalLpPool", inputs: [data([2, 3, 4], 0.5, 2)] }],
    [
      "with indices",
      {
        operator: "MaxPool",
        attributes: { kernel_shape: ints(2, 2), strides: ints(2, 2) },
        inputs: [data([2, 3, 4, 4])],
        outputs: ["float32", "int64"],
      },
      { gradient: { step: 1e-3, tolerance: 5e-2 } },
    ],
    [
      "with indices by columns",
      {
        operator: "MaxPool",
        attributes: { kernel_shape: ints(2, 2), storage_order: int(1), pads: ints(1, 0, 0, 1) },
        inputs: [data([1, 2, 3, 4])],
        outputs: ["float32", "int64"],
      },
      { gradient: false },
    ],
    [
      "adds up blocks",
      {
        operator: "Col2Im",
        attributes: { pads: ints(1, 0, 0, 1), strides: ints(1, 2), dilations: ints(2, 1) },
        inputs: [data([2, 12, 10]), whole([2], [6, 4]), whole([2], [2, 3])],
      },
      linear,
    ],
    [
      "cuts and pads around the middle",
      { operator: "CenterCropPad", inputs: [data([3, 4, 5]), whole([3], [2, 7, 5])] },
      linear,
    ],
    [
      "puts maxima back",
      {
        operator: "MaxUnpool",
        attributes: { kernel_shape: ints(2, 2), strides: ints(2, 2) },
        inputs: [data([1, 1, 2, 2]), whole([1, 1, 2, 2], [5, 7, 13, 15])],
      },
      linear,
    ],
  ]);
});

describe("resizing", () => {
  const empty = fixed([0], []);
  const resize = (name: string, x: number[], scales: number[], attributes: object, opset = 19): Row => [
    name,
    {
      operator: "Resize",
      opset,
      attributes: { ...attributes },
      inputs: [data(x), empty, fixed([x.length], scales)],
    },
    linear,
  ];
  const picture = [1, 2, 4, 5];
  checkNodes([
    resize("nearest, to twice and three times the size", picture, [1, 1, 2, 3], {
      coordinate_transformation_mode: text("asymmetric"),
      nearest_mode: text("floor"),
    }),
    resize("nearest, to less", picture, [1, 1, 0.6, 0.7], { mode: text("nearest") }),
    resize("nearest, upwards", picture, [1, 1, 1.7, 1.2], { nearest_mode: text("ceil") }),
    resize("linear", picture, [1, 1, 2, 1.5], { mode: text("linear") }),
    resize("linear between corners", picture, [1, 1, 2, 2], {
      mode: text("linear"),
      coordinate_transformation_mode: text("align_corners"),
    }),
    resize("linear, smoothed", picture, [1, 1, 0.5, 0.6], { mode: text("linear"), antialias: int(1) }),
    resize("cubic", picture, [1, 1, 2, 1.5], { mode: text("cubic") }),
    resize("cubic, without what is outside", picture, [1, 1, 2, 1.5], {
      mode: text("cubic"),
      exclude_outside: int(1),
      cubic_coeff_a: float(-0.5),
    }),
    resize("cubic, smoothed", picture, [1, 1, 0.5, 0.6], { mode: text("cubic"), antialias: int(1) }),
    resize("linear over one axis", [1, 2, 6], [1, 1, 1.5], { mode: text("linear") }),
    [
      "to sizes",
      {
        operator: "Resize",
        opset: 13,
        attributes: { mode: text("linear"), coordinate_transformation_mode: text("pytorch_half_pixel") },
        inputs: [data(picture), empty, empty, whole([4], [1, 2, 7, 1])],
      },
      linear,
    ],
    [
      "of version 10",
      {
        operator: "Resize",
        opset: 10,
        attributes: { mode: text("linear") },
        inputs: [data(picture), fixed([4], [1, 1, 2, 2])],
      },
      linear,
    ],
    [
      "of version 9",
      { operator: "Upsample", opset: 9, inputs: [data(picture), fixed([4], [1, 1, 2, 2])] },
      linear,
    ],
  ]);
});

describe("sampling", () => {
  const rows: Row[] = [];
  for (const mode of ["linear", "nearest", "cubic"]) {
    for (const padding of ["zeros", "border", "reflection"]) {
      for (const align of [0, 1]) {
        rows.push([
          `${mode}, ${padding}, ${align === 1 ? "corners aligned" : "by pixels"}`,
          {
            operator: "GridSample",
            attributes: { mode: text(mode), padding_mode: text(padding), align_corners: int(align) },
            inputs: [
              data([2, 2, 4, 5]),
              fixed([2, 3, 1, 2], [-1.3, -0.9, 0.13, 0.4, 0.95, 1.2, 0.3, -0.2, -0.55, 0.71, 1.6, 0.05]),
            ],
          },
          linear,
        ]);
      }
    }
  }
  checkNodes([
    ...rows,
    [
      "into the grid",
      { operator: "GridSample", inputs: [data([1, 2, 4, 5]), data([1, 2, 2, 2], 0.05, 0.15)] },
      { gradient: { step: 1e-3 } },
    ],
    [
      "of volumes",
      { operator: "GridSample", inputs: [data([1, 2, 3, 4, 2]), data([1, 1, 2, 2, 3], -0.9, 0.9)] },
      { gradient: false },
    ],
    [
      "of affine maps",
      { operator: "AffineGrid", inputs: [data([2, 2, 3]), whole([4], [2, 1, 3, 4])] },
      linear,
    ],
    [
      "averages points between pixels",
      {
        operator: "RoiAlign",
        attributes: {
          output_height: int(2),
          output_width: int(3),
          sampling_ratio: int(2),
          spatial_scale: float(0.5),
        },
        inputs: [data([2, 2, 6, 6]), fixed([2, 4], [1, 1, 9, 8, 0, 2, 5, 11]), whole([2], [1, 0])],
      },
      linear,
    ],
    [
      "takes as many points as the region has pixels",
      {
        operator: "RoiAlign",
        attributes: { output_height: int(2), output_width: int(2) },
        inputs: [data([1, 2, 6, 6]), fixed([1, 4], [0, 1, 5, 4]), whole([1], [0])],
      },
      linear,
    ],
  ]);
});
