/** Tests of TF.js-core that pass on its cpu backend and not on the engine, each with the reason. */

const onlyCpu = "TF.js declares this test for the backend named cpu alone.";
const mirrored =
  "The test expects the gradient to forget the elements that padding has mirrored; the engine's adds them up, as finite " +
  "differences do.";

export const exceptions: Readonly<Record<string, string>> = {
  "Switching cpu backends Move data from cpu1 to cpu2 backend": onlyCpu,
  "Switching cpu backends can execute op with data from mixed backends": onlyCpu,
  "avgPool gradient x=[3,3,1] f=[3,3] s=1 p=explicit":
    "The test expects the gradient to divide by the whole window where the forward pass divides by the part of it that is " +
    "inside the picture; the engine's agrees with finite differences.",
  "gather throws when index is out of bound":
    "Indices are known when the graph runs, not when gather is called: the error comes when the result is read.",
  "mirrorPad grad": mirrored,
  "mirrorPad gradient with clones": mirrored,
  "tan numbers exceed float32 precision":
    "At such an argument one unit in the last place of float32 is 0.002, twice what the test allows; cpu computes in float64.",
};
