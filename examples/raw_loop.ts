/**
 * A training loop by hand, and the same loop in Fabric. Lines marked with a number are the five that differ.
 *
 *   npx tsx --conditions=kindling-source examples/raw_loop.ts
 */
import {
  ArrayDataset,
  computeGradients,
  DataLoader,
  Fabric,
  fromHost,
  Generator,
  HostTensor,
  Linear,
  markStep,
  mseLoss,
  seedEverything,
  Sequential,
  SGD,
  Tanh,
  tf,
} from "kindling";

const random = new Generator(1);
const samples = Array.from({ length: 256 }, () => {
  const [x, y] = [random.uniform(), random.uniform()];
  return {
    input: new HostTensor(Float32Array.of(x, y), [2]),
    target: new HostTensor(Float32Array.of(x * y), [1]),
  };
});
const net = () => new Sequential(new Linear(2, 32), new Tanh(), new Linear(32, 1));

async function rawLoop(): Promise<number> {
  const model = net();
  const optimizer = new SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
  const loader = new DataLoader(new ArrayDataset(samples), { batchSize: 32, shuffle: true, seed: 0 });
  let last = NaN;
  for (let epoch = 0; epoch < 20; epoch++) {
    for await (const { input, target } of loader) {
      tf.tidy(() => {
        optimizer.zeroGrad();
        const loss = computeGradients(
          () => mseLoss(model.forward(fromHost(input)), fromHost(target)),
          model.parameters(),
        );
        optimizer.step();
        last = loss.dataSync()[0]!;
      });
      markStep();
    }
  }
  return last;
}

async function fabricLoop(): Promise<number> {
  const fabric = new Fabric({ accelerator: "cpu" }); // 1
  await fabric.launch(); // 2
  const network = net();
  const sgd = new SGD(network.parameters(), { lr: 0.1, momentum: 0.9 });
  const [model, optimizer] = fabric.setup(network, sgd); // 3
  const batches = new DataLoader(new ArrayDataset(samples), { batchSize: 32, shuffle: true, seed: 0 });
  const loader = fabric.setupDataloaders(batches); // 4
  let last = NaN;
  for (let epoch = 0; epoch < 20; epoch++) {
    for await (const { input, target } of loader) {
      optimizer.zeroGrad();
      const loss = fabric.backward(() => mseLoss(model.forward(input), target)); // 5
      optimizer.step();
      last = loss.dataSync()[0]!;
    }
  }
  return last;
}

seedEverything(0);
console.log("raw   ", await rawLoop());
seedEverything(0);
console.log("fabric", await fabricLoop());
