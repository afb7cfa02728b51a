/**
 * Training steps through the whole MobileNetV2 of an ONNX file and a new head: `finetune_onnx_step_process.ts WARMUP_STEPS
 * STEPS MAX_SECONDS` prints one JSON object.
 */
import {
  AdamW,
  clipGradNorm,
  computeGradients,
  crossEntropy,
  engine,
  fromHost,
  Generator,
  HostTensor,
  Linear,
  markStep,
  seedEverything,
  tf,
  type TrainableBackbone,
} from "kindling";
import { createImageBackbone } from "#kindling/backbones/index.js";
import { median, repeat } from "./measure.js";
import { MOBILENET } from "./photos.js";

const CLASSES = 12;
const BATCH_SIZE = 16;
const EDGE = 224;

export interface OnnxStepMeasurement {
  ms: number;
  minMs: number;
  cpuMs: number;
  parameters: number;
  compiles: number;
  fallbackKernels: Record<string, number>;
}

function measure(warmup: number, steps: number, seconds: number): OnnxStepMeasurement {
  seedEverything(0);
  const { module, numFeatures } = createImageBackbone(MOBILENET) as TrainableBackbone;
  const head = new Linear(numFeatures, CLASSES);
  const parameters = [...module.train().parameters(), ...head.parameters()];
  const optimizer = new AdamW(parameters, { lr: 1e-4 });
  const random = new Generator(0);
  const data = Float32Array.from({ length: BATCH_SIZE * EDGE * EDGE * 3 }, () => random.normal());
  const pixels = new HostTensor(data, [BATCH_SIZE, EDGE, EDGE, 3]);
  const targets = new HostTensor(
    Int32Array.from({ length: BATCH_SIZE }, (_, i) => i % CLASSES),
    [BATCH_SIZE],
  );

  function step(): { ms: number; cpuMs: number } {
    const start = performance.now();
    const cpu = process.cpuUsage();
    const loss = tf.tidy(() => {
      const input = fromHost(pixels);
      const value = computeGradients(
        () => crossEntropy(head.forward(module.forward(input)), fromHost(targets)),
        parameters,
      );
      clipGradNorm(parameters, 1);
      optimizer.step();
      optimizer.zeroGrad();
      return value;
    });
    markStep();
    loss.dispose();
    const { user, system } = process.cpuUsage(cpu);
    return { ms: performance.now() - start, cpuMs: (user + system) / 1000 };
  }

  for (let i = 0; i < warmup; i++) step();
  const measured: { ms: number; cpuMs: number }[] = [];
  repeat(() => measured.push(step()), steps, seconds);
  const { compiles, fallbackKernels } = engine.stats();
  return {
    ms: median(measured.map(({ ms }) => ms)),
    minMs: Math.min(...measured.map(({ ms }) => ms)),
    cpuMs: median(measured.map(({ cpuMs }) => cpuMs)),
    parameters: parameters.reduce((sum, { size }) => sum + size, 0),
    compiles,
    fallbackKernels,
  };
}

const [warmup, steps, seconds] = process.argv.slice(2).map(Number);
console.log(JSON.stringify(measure(warmup!, steps!, seconds!)));
