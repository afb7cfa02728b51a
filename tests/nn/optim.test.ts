/** Optimizers and clipping against PyTorch, their saved state, and that they leave nothing behind. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { engine, markStep } from "../../src/engine/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import * as nn from "../../src/nn/index.js";
import { expectClose, readGolden, tensorOf, type GoldenTensor } from "./golden.js";

interface Trajectory {
  name: "SGD" | "Adam" | "AdamW" | "RMSprop" | "Adagrad" | "Lion" | "LAMB" | "Adafactor";
  options: { lr: number } & Record<string, unknown>;
  start: GoldenTensor[];
  /** Some of the 40 steps, by number. */
  steps: Record<string, GoldenTensor[]>;
}

const trajectories = readGolden<Trajectory[]>("optimizers");

interface Run {
  params: [a: nn.Parameter, b: nn.Parameter, c: nn.Parameter];
  optimizer: nn.Optimizer;
}

function start(golden: Trajectory): Run {
  const params = golden.start.map((value) => new nn.Parameter(tensorOf(value))) as Run["params"];
  const { lr } = golden.options;
  const groups = [{ params: params.slice(0, 2) }, { params: params.slice(2), lr: lr / 2, weightDecay: 0.05 }];
  return { params, optimizer: new nn[golden.name](groups, golden.options) };
}

/** The gradients that the golden script made up, from the parameters themselves. */
function setGrads([a, b, c]: Run["params"], step: number): void {
  tf.tidy(() => {
    a.grad = tf.keep(tf.cos(tf.add(a, step)));
    b.grad = tf.keep(tf.sin(tf.add(tf.mul(b, 2), step)));
    c.grad = step === 1 ? null : tf.keep(tf.sin(tf.sub(tf.mul(c, 3), step)));
  });
}

function runStep({ params, optimizer }: Run, step: number): void {
  optimizer.zeroGrad();
  setGrads(params, step);
  if (step === 3) for (const group of optimizer.paramGroups) group.lr *= 0.5;
  optimizer.step();
  markStep();
}

function expectStep({ params }: Run, golden: Trajectory, step: number): void {
  golden.steps[step]?.forEach((expected, i) => expectClose(params[i]!, expected));
}

const titled = trajectories.map(
  (golden) => [`${golden.name} ${JSON.stringify(golden.options)}`, golden] as const,
);

describe("40 steps as in PyTorch or the paper", () => {
  it.each(titled)("%s", (_title, golden) => {
    const run = start(golden);
    for (let step = 0; step < 40; step++) {
      runStep(run, step);
      expectStep(run, golden, step);
    }
  });

  it.each(titled)("%s, saved and loaded after the second step", (_title, golden) => {
    const first = start(golden);
    for (const step of [0, 1]) runStep(first, step);
    const saved = first.optimizer.stateDict();
    const tensors = Object.entries(saved.tensors).map(([key, tensor]) => {
      const { shape } = tensor;
      return [key, new HostTensor((tensor as tf.Tensor).dataSync<"float32">().slice(), shape)] as const;
    });
    const json = JSON.parse(
      JSON.stringify({ steps: saved.steps, paramGroups: saved.paramGroups }),
    ) as typeof saved;

    const second = start(golden);
    second.params.forEach((parameter, i) => parameter.assign(first.params[i]!));
    second.optimizer.loadStateDict({ ...json, tensors: Object.fromEntries(tensors) });
    for (const step of [2, 3, 4]) {
      runStep(first, step);
      runStep(second, step);
      second.params.forEach((parameter, i) =>
        expect(parameter.dataSync()).toEqual(first.params[i]!.dataSync()),
      );
    }
    expectStep(second, golden, 4);
  });
});

describe("optimizers where a gradient or a parameter is 0", () => {
  it("LAMB takes Adam's step, and Adafactor none", () => {
    const zero = new nn.Parameter(tf.zeros([2, 2]));
    const still = new nn.Parameter(tf.ones([2, 2]));
    for (const optimizer of [
      new nn.LAMB([zero, still], { lr: 0.1 }),
      new nn.Adafactor([still], { lr: 0.1 }),
    ]) {
      zero.grad = tf.keep(tf.ones([2, 2]));
      still.grad = tf.keep(tf.zeros([2, 2]));
      optimizer.step();
      optimizer.zeroGrad();
    }
    expectClose(zero, { shape: [2, 2], data: [-0.1, -0.1, -0.1, -0.1] });
    expectClose(still, { shape: [2, 2], data: [1, 1, 1, 1] });
  });

  it("Adafactor keeps rows and columns of matrices only", () => {
    const matrix = new nn.Parameter(tf.ones([2, 5, 3]));
    const vector = new nn.Parameter(tf.ones([4]));
    const optimizer = new nn.Adafactor([matrix, vector]);
    for (const one of [matrix, vector]) one.grad = tf.keep(tf.ones(one.shape));
    optimizer.step();
    const { tensors } = optimizer.stateDict();
    expect(Object.fromEntries(Object.entries(tensors).map(([key, { shape }]) => [key, shape]))).toEqual({
      "0.expAvgSqRow": [2, 5, 1],
      "0.expAvgSqCol": [2, 1, 3],
      "1.expAvgSq": [4],
    });
  });
});

describe("clipping", () => {
  const goldens =
    readGolden<{ maxNorm: number; grads: GoldenTensor[]; norm: number; clipped: GoldenTensor[] }[]>(
      "clipping",
    );

  it.each(goldens)("to the norm $maxNorm as in PyTorch", ({ maxNorm, grads, norm, clipped }) => {
    const parameters = grads.map((grad) => {
      const parameter = new nn.Parameter(tf.zeros(grad.shape));
      parameter.grad = tf.keep(tensorOf(grad));
      return parameter;
    });
    const total = nn.clipGradNorm([...parameters, new nn.Parameter(tf.zeros([2]))], maxNorm);
    expectClose(total, { shape: [], data: [norm] });
    parameters.forEach((parameter, i) => expectClose(parameter.grad!, clipped[i]!));
  });

  it.each(
    readGolden<{ normType: number | "Infinity"; norm: number; clipped: GoldenTensor[] }[]>("clipping_norms"),
  )("to the norm of type $normType as in PyTorch", ({ normType, norm, clipped }) => {
    const grads = [tf.tensor([1.5, -2, 0.25, 4], [2, 2]), tf.tensor1d([-3, 0.5, 0])];
    const parameters = grads.map((grad) => {
      const parameter = new nn.Parameter(tf.zeros(grad.shape));
      parameter.grad = tf.keep(grad);
      return parameter;
    });
    const total = nn.clipGradNorm(parameters, 2, { normType: Number(normType) });
    expectClose(total, { shape: [], data: [norm] });
    parameters.forEach((parameter, i) => expectClose(parameter.grad!, clipped[i]!));
  });

  /** Two parameters with gradients of norm 13. */
  function withGradients(): nn.Parameter[] {
    return [
      [3, 4],
      [12, 0],
    ].map((grad) => {
      const parameter = new nn.Parameter(tf.tensor1d([1, -2]));
      parameter.grad = tf.keep(tf.tensor1d(grad));
      return parameter;
    });
  }

  it("has the optimizer do the scaling, to the same bits", () => {
    const valuesAfter = (look: (parameters: nn.Parameter[]) => void): number[][] => {
      const parameters = withGradients();
      const optimizer = new nn.AdamW(parameters, { lr: 0.1 });
      nn.clipGradNorm(parameters, 1);
      look(parameters);
      optimizer.step();
      return parameters.map((parameter) => Array.from(parameter.dataSync()));
    };
    const expected = valuesAfter((parameters) => {
      for (const parameter of parameters) expect(parameter.grad!.shape).toEqual([2]);
    });
    expect(valuesAfter(() => undefined)).toEqual(expected);
    expect(valuesAfter(([first]) => first!.grad)).toEqual(expected);
  });

  it("scales gradients once, whatever is done with them afterwards", () => {
    const [first, second] = withGradients() as [nn.Parameter, nn.Parameter];
    nn.clipGradNorm([first, second], 1.3);
    nn.clipGradNorm([second], 0.6);
    nn.computeGradients(() => tf.sum(tf.mul(first, 2)), [first]);
    expectClose(first.grad!, { shape: [2], data: [2.3, 2.4] });
    expectClose(second.grad!, { shape: [2], data: [0.6, 0] });
  });

  it("leaves nothing when the gradients are gone", () => {
    const parameters = withGradients();
    const before = tf.memory().numTensors - parameters.length;
    nn.clipGradNorm(parameters, 1).dispose();
    for (const parameter of parameters) parameter.zeroGrad();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("refuses a norm that is not finite where it is told to, and one that is none", () => {
    const parameter = new nn.Parameter(tf.zeros([2]));
    parameter.grad = tf.keep(tf.tensor1d([1, NaN]));
    expect(() => nn.clipGradNorm([parameter], 1, { errorIfNonfinite: true })).toThrow(
      "The gradients cannot be clipped: their common norm of type 2 is NaN.",
    );
    expect(parameter.grad.dataSync()[0]).toBe(1);
    expect(() => nn.clipGradNorm([parameter], 1, { normType: 0 })).toThrow(
      "A norm's type is a number >= 1, not 0.",
    );
  });

  it("refuses gradients of which other ranks have some, whose norm it does not know", () => {
    const parameter = new nn.Parameter(tf.zeros([2]));
    parameter.gradOwner = 1;
    expect(() => nn.clipGradNorm([parameter], 1)).toThrow("clipGradients(optimizer, maxNorm)");
    parameter.zeroGrad();
    expect(nn.clipGradNorm([parameter], 1).dataSync()[0]).toBe(0);
  });

  it("gives 0 where there is no gradient", () => {
    expect(nn.clipGradNorm([new nn.Parameter(tf.zeros([2]))], 1).dataSync()[0]).toBe(0);
  });

  it("to a value", () => {
    const parameter = new nn.Parameter(tf.zeros([4]));
    parameter.grad = tf.keep(tf.tensor1d([-3, -0.5, 0.25, 2]));
    nn.clipGradValue([parameter], 1);
    expect(Array.from(parameter.grad.dataSync())).toEqual([-1, -0.5, 0.25, 1]);
  });
});

describe("a training step", () => {
  const makers: [string, number, (parameters: nn.Parameter[]) => nn.Optimizer][] = [
    ["SGD", 6, (parameters) => new nn.SGD(parameters, { lr: 0.1, momentum: 0.9 })],
    ["AdamW", 12, (parameters) => new nn.AdamW(parameters, { lr: 0.1 })],
    ["RMSprop", 18, (parameters) => new nn.RMSprop(parameters, { momentum: 0.9, centered: true })],
    ["Adagrad", 6, (parameters) => new nn.Adagrad(parameters)],
    ["Lion", 6, (parameters) => new nn.Lion(parameters)],
    ["LAMB", 12, (parameters) => new nn.LAMB(parameters)],
    ["Adafactor", 8, (parameters) => new nn.Adafactor(parameters)],
  ];

  it.each(makers)(
    "leaves no tensor behind and compiles no graph twice: %s",
    (_name, slots, makeOptimizer) => {
      const net = new nn.Sequential(
        new nn.Conv2d(3, 4, 3, { padding: 1 }),
        new nn.BatchNorm2d(4),
        new nn.Relu(),
        new nn.Dropout(0.2),
        new nn.GlobalAvgPool2d(),
        new nn.Flatten(),
        new nn.Linear(4, 3),
      );
      const optimizer = makeOptimizer(net.parameters());
      const schedule = new nn.WarmupCosine(optimizer, { warmupSteps: 2, totalSteps: 6 });
      const target = tf.tensor1d([0, 2], "int32");
      const counts: number[] = [];
      const compiles: number[] = [];
      const { fallbackKernels } = engine.stats();
      for (let step = 0; step < 5; step++) {
        tf.tidy(() => {
          const input = tf.tensor(
            Float32Array.from({ length: 150 }, (_, i) => Math.sin(i + step)),
            [2, 5, 5, 3],
          );
          nn.computeGradients(() => nn.crossEntropy(net.forward(input), target), net.parameters());
          nn.clipGradNorm(net.parameters(), 1);
          optimizer.step();
          optimizer.zeroGrad();
          schedule.step();
        });
        markStep();
        counts.push(tf.memory().numTensors);
        compiles.push(engine.stats().compiles);
      }
      expect(counts).toEqual(new Array(5).fill(counts[0]));
      expect(compiles).toEqual(new Array(5).fill(compiles[0]));
      expect(engine.stats().fallbackKernels).toEqual(fallbackKernels);
      const before = tf.memory().numTensors - (Object.keys(net.stateDict()).length + 1);
      optimizer.dispose();
      net.dispose();
      target.dispose();
      expect(tf.memory().numTensors).toBe(before - slots);
    },
  );
});

describe("groups and errors", () => {
  const parameter = new nn.Parameter(tf.zeros([2]));

  it("options of a group win over the optimizer's", () => {
    const other = new nn.Parameter(tf.zeros([2]));
    const optimizer = new nn.AdamW([{ params: [parameter], lr: 1, weightDecay: 0 }, { params: [other] }], {
      lr: 2,
    });
    expect(optimizer.paramGroups.map(({ lr, weightDecay }) => [lr, weightDecay])).toEqual([
      [1, 0],
      [2, 0.01],
    ]);
  });

  it("each group has its own options, which enter the graph as values", () => {
    const still = new nn.Parameter(tf.tensor1d([1, 2]));
    const moving = new nn.Parameter(tf.tensor1d([1, 2, 3]));
    const optimizer = new nn.SGD([{ params: [still], lr: 0, name: "still" }, { params: [moving] }], {
      lr: 1,
      weightDecay: 0.5,
    });
    optimizer.addParamGroup({
      params: [new nn.Parameter(tf.zeros([1]))],
      name: "late",
      weightDecay: 0,
    });
    const step = (lr: number) => {
      for (const { params } of optimizer.paramGroups)
        for (const one of params) one.grad = tf.keep(tf.ones(one.shape));
      optimizer.paramGroups[1]!.lr = lr;
      optimizer.step();
      optimizer.zeroGrad();
      return [still, moving, optimizer.paramGroups[2]!.params[0]!].map((one) => Array.from(one.dataSync()));
    };
    expect(step(0.5)).toEqual([[1, 2], [0.25, 1, 1.75], [-1]]);
    const { compiles } = engine.stats();
    expect(step(1)).toEqual([[1, 2], [-0.875, -0.5, -0.125], [-2]]);
    expect(engine.stats().compiles).toBe(compiles);
    expect(optimizer.stateDict().paramGroups.map(({ name, params }) => [name, params])).toEqual([
      ["still", [0]],
      [undefined, [1]],
      ["late", [2]],
    ]);
  });

  it("begins the slots that a change of options asks for", () => {
    const one = new nn.Parameter(tf.tensor1d([0]));
    const optimizer = new nn.SGD([one], { lr: 1 });
    const step = () => {
      one.grad = tf.keep(tf.ones([1]));
      optimizer.step();
      optimizer.zeroGrad();
      return one.dataSync()[0];
    };
    expect(step()).toBe(-1);
    optimizer.paramGroups[0]!.momentum = 0.5;
    expect([step(), step()]).toEqual([-2, -3.5]);
  });

  it("changes no parameter without a gradient", () => {
    const still = new nn.Parameter(tf.ones([2]));
    new nn.AdamW([still], { lr: 1, weightDecay: 1 }).step();
    expect(Array.from(still.dataSync())).toEqual([1, 1]);
  });

  it.each<[string, () => unknown, string]>([
    ["no parameters", () => new nn.Adam([]), "ERR_NO_PARAMETERS"],
    ["a parameter twice", () => new nn.Adam([parameter, parameter]), "ERR_DUPLICATE_PARAMETER"],
    [
      "a parameter in two groups",
      () => new nn.Adam([{ params: [parameter] }, { params: [parameter] }]),
      "ERR_DUPLICATE_PARAMETER",
    ],
    ["Nesterov without momentum", () => new nn.SGD([parameter], { lr: 1, nesterov: true }), "ERR_NESTEROV"],
    [
      "a state of other groups",
      () =>
        new nn.Adam([parameter]).loadStateDict({ tensors: {}, steps: {}, paramGroups: [{ params: [0, 1] }] }),
      "ERR_OPTIMIZER_STATE",
    ],
    [
      "a state without a slot",
      () =>
        new nn.Adam([parameter]).loadStateDict({
          tensors: {},
          steps: { 0: 1 },
          paramGroups: [{ params: [0] }],
        }),
      "ERR_OPTIMIZER_STATE",
    ],
  ])("%s", (_name, act, code) => {
    expect(act).toThrow(expect.objectContaining({ code }) as Error);
  });

  type Given = ConstructorParameters<typeof nn.AdamW>;
  it.each<[string, unknown[], string]>([
    [
      "a loose parameter beside a group",
      [[parameter, { params: [] }]],
      "AdamW was given both parameters and groups of them. Put the loose ones into a group.",
    ],
    [
      "a group without params",
      [[{ lr: 1 }]],
      "AdamW was given a group without params. Give each group { params, … }.",
    ],
    [
      "tensors that are no parameters",
      [[{ params: [tf.zeros([1])] }]],
      "AdamW was given something that is no Parameter. Pass module.parameters() or groups of them.",
    ],
    [
      "an option that the optimizer has not",
      [[{ params: [parameter], weight_decay: 1 }]],
      'AdamW was given a group with "weight_decay", which means nothing to it. Choose one of "params", "name", ' +
        '"initialLr", "lr", "betas", "eps", "weightDecay", "amsgrad". Did you mean "weightDecay"?',
    ],
    [
      "two groups of one name",
      [
        [
          { params: [], name: "head" },
          { params: [parameter], name: "head" },
        ],
      ],
      'AdamW was given two groups named "head". Give each a name of its own.',
    ],
    ["a negative rate", [[parameter], { lr: -1 }], "AdamW takes lr of at least 0, not -1."],
    [
      "a rate that is no number",
      [[{ params: [parameter], lr: NaN }]],
      "AdamW takes lr of at least 0, not NaN.",
    ],
    [
      "betas out of range",
      [[parameter], { betas: [0.9, 1] }],
      "AdamW takes betas from 0 to below 1, not [0.9,1].",
    ],
  ])("%s: the text", (_name, args, text) => {
    expect(() => new nn.AdamW(...(args as Given))).toThrow(
      expect.objectContaining({ message: text }) as Error,
    );
  });
});
