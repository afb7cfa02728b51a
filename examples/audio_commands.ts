/**
 * Learns spoken commands from folders of sounds, one folder a command, and says how well it knows them.
 *
 *   npx tsx --conditions=kindling-source examples/audio_commands.ts FOLDER
 */
import { AudioClassificationData, AudioClassifier, Trainer } from "kindling";

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: audio_commands.ts FOLDER");

const data = await AudioClassificationData.fromFolders({ train: folder, valSplit: 0.2 });
console.log(data.describe());
const task = new AudioClassifier({ data });
const trainer = new Trainer({ maxEpochs: 15 });
await trainer.fit(task, data);
console.log(trainer.callbackMetrics);
await task.save("commands.kindling");
