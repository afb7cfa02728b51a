/** TensorBoard files: byte by byte those of TensorBoard's own library (goldens), and what a run leaves in them. */
import * as tf from "@tensorflow/tfjs-core";
import { PbfReader } from "pbf";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import "../support/backend.js";
import { CSVLogger, TensorBoardLogger, Trainer } from "../../src/core/index.js";
import { encodeRecord } from "../../src/core/loggers/tensorboard/event_file.js";
import * as messages from "../../src/core/loggers/tensorboard/event_messages.js";
import { histogramBuckets } from "../../src/core/loggers/tensorboard/histogram.js";
import { HostTensor } from "../../src/host_tensor.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

interface Golden {
  wallTime: number;
  numbers: number[];
  png: string;
  maskedCrc: number;
  [name: string]: string | number | number[];
}

const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, "../golden/tensorboard.json"), "utf8"),
) as Golden;
const bytesOf = (name: string) => Buffer.from(golden[name] as string, "base64");

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-tensorboard-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

interface Value {
  tag: string;
  simple?: number;
  plugin?: string;
  strings: Uint8Array[];
  content?: Uint8Array;
}

interface Event {
  step: number;
  version?: string;
  values: Value[];
}

/** The events of a folder's only event file. The checksums are compared with the golden's by `encodeRecord`. */
function eventsIn(logDir: string): Event[] {
  const names = readdirSync(logDir).filter((name) => name.startsWith("events.out.tfevents."));
  expect(names).toHaveLength(1);
  const bytes = readFileSync(join(logDir, names[0]!));
  const events: Event[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = Number(bytes.readBigUInt64LE(at));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(bytes.subarray(at, at + length + 16).equals(encodeRecord(data))).toBe(true);
    events.push(readEvent(data));
    at += length + 16;
  }
  return events;
}

function readEvent(data: Uint8Array): Event {
  return new PbfReader(data).readFields(
    (field, event: Event, pbf) => {
      if (field === 2) event.step = pbf.readVarint();
      else if (field === 3) event.version = pbf.readString();
      else if (field === 5) {
        pbf.readMessage((inner, values: Value[], reader) => {
          if (inner === 1) values.push(reader.readMessage(readValue, { tag: "", strings: [] }));
        }, event.values);
      }
    },
    { step: 0, values: [] },
  );
}

function readValue(field: number, value: Value, pbf: PbfReader): void {
  if (field === 1) value.tag = pbf.readString();
  else if (field === 2) value.simple = pbf.readFloat();
  else if (field === 8) {
    pbf.readMessage((inner, _: null, reader) => {
      if (inner === 4) value.content = reader.readBytes();
      if (inner === 8) value.strings.push(reader.readBytes());
    }, null);
  } else if (field === 9) {
    pbf.readMessage((_field, _: null, metadata) => {
      metadata.readMessage((inner, __: null, plugin) => {
        if (inner === 1) value.plugin = plugin.readString();
      }, null);
    }, null);
  }
}

const tagsOf = (events: Event[]) => events.flatMap(({ values }) => values.map(({ tag }) => tag));

describe("events are byte by byte TensorBoard's own:", () => {
  const hparams = { lr: 0.125, "model/name": "größe", nesterov: true };
  const png = Buffer.from(golden.png, "base64");
  const { wallTime } = golden;
  const cases: [string, messages.EventContent][] = [
    ["fileVersion", { fileVersion: "brain.Event:2" }],
    [
      "scalars",
      {
        step: 12345678,
        summary: [messages.scalar("loss", 0.1), messages.scalar("acc/val", 0), messages.scalar("nan", NaN)],
      },
    ],
    ["histogram", { step: 3, summary: [messages.histogram("weights", histogramBuckets(golden.numbers))] }],
    ["equalHistogram", { step: 3, summary: [messages.histogram("weights", histogramBuckets([2, 2]))] }],
    ["image", { step: 4, summary: [messages.image("photo", { width: 3, height: 2, png })] }],
    ["text", { step: 5, summary: [messages.text("note", "# größe")] }],
    ["experiment", { summary: [messages.experiment(hparams, ["val_loss"])] }],
    ["sessionOfNumber", { summary: [messages.sessionStart({ lr: 0.125 }, wallTime)] }],
    ["sessionOfString", { summary: [messages.sessionStart({ "model/name": "größe" }, wallTime)] }],
    ["sessionOfBoolean", { summary: [messages.sessionStart({ nesterov: true }, wallTime)] }],
    ["sessionEnd", { summary: [messages.sessionEnd("failed", wallTime)] }],
  ];

  it.each(cases)("%s", (name, content) => {
    const ours = Buffer.from(messages.encodeEvent(wallTime, content));
    expect(ours.toString("hex")).toBe(bytesOf(name).toString("hex"));
  });

  it("a record with its checksums", () => {
    const event = messages.encodeEvent(wallTime, { step: 7, summary: [messages.scalar("loss", 0.1)] });
    expect(Buffer.from(encodeRecord(event)).equals(bytesOf("record"))).toBe(true);
    const record = Buffer.from(encodeRecord(Buffer.from("kindling")));
    expect(record.readUInt32LE(record.length - 4)).toBe(golden.maskedCrc);
  });
});

describe("histogramBuckets", () => {
  it("leaves out what is no number, and is empty without numbers", () => {
    expect([...histogramBuckets([0, NaN, 1, Infinity, -Infinity], 2)]).toEqual([0, 0.5, 1, 0.5, 1, 1]);
    expect([...histogramBuckets([NaN], 2)]).toEqual([0, 0, 0, 0, 0, 0]);
  });
});

class LogsEverything extends BoringModel {
  override trainingStep(batch: { input: tf.Tensor }, batchIdx: number) {
    if (batchIdx === 0) {
      this.logger?.logHistogram?.("weights", this.layer.weight, this.globalStep);
      this.logger?.logImage?.("photo", tf.tensor3d([0, 0.5, 1, 0.2], [2, 2, 1]), this.globalStep);
      this.logger?.logText?.("note", "a **bold** word", this.globalStep);
    }
    return super.trainingStep(batch, batchIdx);
  }
}

describe("TensorBoardLogger", () => {
  it("writes a run's scalars, histograms, pictures, texts and hyperparameters, and leaves no tensor", async () => {
    const logger = new TensorBoardLogger({ saveDir: folder, name: "boring", prefix: "a" });
    const model = new LogsEverything();
    model.saveHyperparameters({ lr: 0.1, model: { depth: 3, name: "tiny" }, layers: [1, 2] });
    const before = tf.memory().numTensors;
    const trainer = new Trainer({ maxEpochs: 1, logger, enableProgressBar: false, logEveryNSteps: 1 });
    await trainer.fit(model, { train: boringBatches(2), val: boringBatches(1) });
    expect(tf.memory().numTensors).toBe(before);

    expect(logger.logDir).toBe(join(folder, "boring", "version_0"));
    const events = eventsIn(logger.logDir);
    expect(events[0]).toMatchObject({ version: "brain.Event:2", step: 0 });
    expect(tagsOf(events)).toEqual([
      "hp_metric",
      "_hparams_/experiment",
      "_hparams_/session_start_info",
      "weights",
      "photo",
      "note",
      "a-epoch",
      "a-train_loss",
      "a-epoch",
      "a-train_loss",
      "a-epoch",
      "a-val_loss",
      "_hparams_/session_end_info",
    ]);
    const find = (tag: string) => events.flatMap(({ values }) => values).find((value) => value.tag === tag)!;
    expect(find("a-val_loss").simple).toBeCloseTo(trainer.callbackMetrics.val_loss!, 6);
    const counts = new Float64Array(new Uint8Array(find("weights").content!).buffer).filter(
      (_, i) => i % 3 === 2,
    );
    expect(counts.reduce((sum, count) => sum + count)).toBe(64);
    const { data, info } = await sharp(find("photo").strings[2]).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, data[0], data[info.channels]]).toEqual([2, 2, 0, 128]);
    expect(Buffer.from(find("note").strings[0]!).toString()).toBe("a **bold** word");
    expect(JSON.parse(readFileSync(join(logger.logDir, "hparams.json"), "utf8"))).toEqual(model.hparams);
  });

  it("numbers versions together with other loggers, takes a given one, and puts files into subDir", async () => {
    const [first, second] = [new CSVLogger({ saveDir: folder }), new TensorBoardLogger({ saveDir: folder })];
    expect([first.version, second.version]).toEqual([0, 1]);
    const named = new TensorBoardLogger({ saveDir: folder, name: "", version: "mine", subDir: "events" });
    await named.logMetrics({ x: 1 }, 0);
    expect(tagsOf(eventsIn(join(folder, "mine", "events")))).toEqual(["x"]);
  });

  it("takes a PNG as it is and refuses other shapes and bytes", async () => {
    const { experiment, logDir } = new TensorBoardLogger({ saveDir: folder });
    const png = await sharp({ create: { width: 5, height: 3, channels: 3, background: "red" } })
      .png()
      .toBuffer();
    experiment.addImage("png", png, 1);
    await experiment.flush();
    const { strings } = eventsIn(logDir)[1]!.values[0]!;
    expect(strings.slice(0, 2).map((item) => Buffer.from(item).toString())).toEqual(["5", "3"]);
    expect(Buffer.from(strings[2]!).equals(png)).toBe(true);
    expect(() => experiment.addImage("batch", tf.zeros([4, 8, 8, 3]), 0)).toThrow(
      'The image "batch" must have the shape [height, width] or [height, width, channels] with 1, 3 or 4 channels, or be ' +
        "a PNG file's bytes. It has the shape [4, 8, 8, 3].",
    );
    expect(() => experiment.addImage("jpeg", Buffer.from("ffd8ffe0", "hex"), 0)).toThrow(
      "4 bytes that are no PNG",
    );
  });

  it("throws with the next flush what went wrong while writing, once", async () => {
    const logger = new TensorBoardLogger({ saveDir: folder, version: 0 });
    const { logDir } = logger;
    const { experiment } = logger;
    rmSync(logDir, { recursive: true });
    writeFileSync(logDir, "a file in the folder's place");
    experiment.addHistogram("x", new HostTensor(new Float32Array(4), [4]), 0);
    await expect(logger.logMetrics({ y: 1 }, 0)).rejects.toThrow(/EEXIST|ENOTDIR/);
    rmSync(logDir);
    mkdirSync(logDir);
    await logger.logMetrics({ y: 1 }, 0);
    expect(tagsOf(eventsIn(logDir))).toEqual(["y"]);
  });

  it.skipIf(process.getuid?.() === 0)(
    "names the folder that cannot be written (root can write anywhere)",
    async () => {
      chmodSync(folder, 0o500);
      const logger = new TensorBoardLogger({ saveDir: folder });
      const trainer = new Trainer({ maxEpochs: 1, logger, enableProgressBar: false });
      await expect(trainer.fit(new BoringModel(), { train: boringBatches(1) })).rejects.toThrow(
        "cannot be used",
      );
    },
  );
});
