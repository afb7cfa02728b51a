/** TF.js-core's tests on the engine. */
import "@tensorflow/tfjs-backend-cpu";
import "../src/engine/index.js";
import { runSuite } from "./jasmine.js";
import "@tensorflow/tfjs-core/dist/tests.js";

runSuite();
