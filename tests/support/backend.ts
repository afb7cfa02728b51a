/** The TF.js backend that the tests of `src/nn` run on. */
import "../../src/engine/index.js";
