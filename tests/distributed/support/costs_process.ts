/** A program of ranks that meet over TCP, which prints the bytes that each sends in a step, beside those of its parameters. */
import * as tf from "@tensorflow/tfjs-core";
import { Fabric, Linear, mseLoss, Sequential, SGD } from "kindling";
import { DDPStrategy } from "../../../src/core/strategies/ddp.js";
import type { TcpGroup } from "../../../src/distributed/tcp/tcp_group.js";

const STEPS = 5;

for (const strategy of ["ddp", "zero1"]) {
  const fabric = new Fabric({ strategy, accelerator: "cpu" });
  await fabric.launch();
  const network = new Sequential(new Linear(300, 300), new Linear(300, 300), new Linear(300, 300));
  const [model, optimizer] = fabric.setup(network, new SGD(network.parameters(), { lr: 0.01 }));
  const group = (fabric.strategy as DDPStrategy).processGroup as TcpGroup;
  const step = () =>
    tf.tidy(() => {
      fabric.backward(() => mseLoss(model.forward(tf.ones([2, 300])), tf.zeros([2, 300])));
      optimizer.step();
      optimizer.zeroGrad();
    });
  step();
  const before = group.sentBytes;
  for (let i = 0; i < STEPS; i++) step();
  const sentBytes = (group.sentBytes - before) / STEPS;
  const parameterBytes = network.parameters().reduce((sum, { size }) => sum + 4 * size, 0);
  process.stdout.write(
    `${JSON.stringify({ rank: group.rank, size: group.size, strategy, sentBytes, parameterBytes })}\n`,
  );
}
