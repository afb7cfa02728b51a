/** Downloads a file from the hub and prints its path. */
import { hubDownload } from "../../../src/backbones/hub/index.js";

process.stdout.write(await hubDownload("kindling/tiny", "model.onnx"));
