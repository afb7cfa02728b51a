/** TF.js-core's tests on its own cpu backend, with TF.js's own gradients: the measure for the engine. */
import "@tensorflow/tfjs-core/dist/register_all_gradients.js";
import "@tensorflow/tfjs-backend-cpu";
import { runSuite } from "./jasmine.js";
import "@tensorflow/tfjs-core/dist/tests.js";

runSuite();
