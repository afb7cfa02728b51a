/** Test cases of ONNX that do not pass, each with the reason. A case is named by its group and folder. */
export const exceptions: Readonly<Record<string, string>> = {};
