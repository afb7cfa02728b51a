/** Tests of TF.js-core that pass on its cpu backend and not on the engine, each with the reason. */
export const exceptions: Readonly<Record<string, string>> = {};
