/** Exported files before the judge of the format: ONNX's own checker, with full inference of types and shapes. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import "../../support/backend.js";
import { Bert } from "../../../src/backbones/index.js";
import { exportOnnx } from "../../../src/onnx/index.js";
import { seedEverything } from "../../../src/random.js";
import { ImageClassifier } from "../../../src/tasks/image/image_classifier.js";
import { integers, useFolder } from "./support.js";

const folder = useFolder();

const SCRIPT = `
import sys, onnx
for path in sys.argv[1:]:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == 17, path
    assert len(model.opset_import) == 1 and model.opset_import[0].domain == "", path
`;

const python = "/usr/bin/python3";
const hasChecker = spawnSync(python, ["-c", "import onnx"]).status === 0;

it.skipIf(!hasChecker)("pass ONNX's checker (needs Python's package onnx)", async () => {
  const paths: string[] = [];
  const next = () => {
    const path = join(folder.path, `${paths.length}.onnx`);
    paths.push(path);
    return path;
  };
  seedEverything(1);
  const labels = ["a", "b"];
  for (const backbone of ["small_cnn", "mobilenet_v2"]) {
    const pretrained = backbone === "small_cnn" ? {} : { pretrained: false };
    const task = new ImageClassifier({ labels, backbone, imageSize: 64, ...pretrained });
    for (const weights of ["float32", "float16", "int8"] as const) {
      await task.exportOnnx(next(), { weights, preprocessing: weights === "int8", probabilities: true });
    }
  }
  const bert = new Bert({
    vocabSize: 50,
    hiddenSize: 32,
    numHiddenLayers: 1,
    numAttentionHeads: 2,
    intermediateSize: 48,
    maxPositionEmbeddings: 12,
  });
  const axes = { 0: "batch", 1: "sequence" };
  await exportOnnx(bert, next(), {
    inputs: { inputIds: integers(50, 2, 12), attentionMask: integers(2, 2, 12) },
    dynamicAxes: { inputIds: axes, attentionMask: axes },
    int64Inputs: ["inputIds", "attentionMask"],
    weights: "int8",
  });
  const { status, stderr } = spawnSync(python, ["-c", SCRIPT, ...paths], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
});
