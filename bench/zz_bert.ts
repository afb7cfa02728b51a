import { seedEverything, TextClassificationData, TextClassifier, Trainer, Callback, engine } from "kindling";
seedEverything(0);
const [backbone, epochs, lr] = process.argv.slice(2);
const data = await TextClassificationData.fromCsv({ train: "/work/shared/data/banking77/train.csv", labelColumn: "category", valSplit: 0.2 });
const t0=performance.now(), c0=process.cpuUsage();
const task = new TextClassifier({ data, backbone: backbone!, ...(lr && { learningRate: Number(lr) }) });
class C extends Callback { override onValidationEnd(trainer: any){ console.log(trainer.currentEpoch, trainer.callbackMetrics.val_accuracy, trainer.callbackMetrics.train_loss, ((performance.now()-t0)/1000).toFixed(0)+"s cpu", ((process.cpuUsage(c0).user+process.cpuUsage(c0).system)/1e6).toFixed(0)); } }
await new Trainer({ maxEpochs: Number(epochs), logger: false, enableCheckpointing: false, enableModelSummary: false, enableProgressBar: false, callbacks: [new C()] }).fit(task, data);
console.log(engine.stats().fallbackKernels, data.truncated);
