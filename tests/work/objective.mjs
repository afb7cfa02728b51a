/** An objective that runs in a process of its own, and with trial 1 does not survive. */
export default async function objective({ x }, trial) {
  await trial.report(x, 1);
  if (trial.number === 1) process.exit(9);
  return trial.shouldPrune ? NaN : x * x;
}
