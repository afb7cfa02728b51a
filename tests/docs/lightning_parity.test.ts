import { globSync } from "tinyglobby";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const root = new URL("../../", import.meta.url).pathname;

interface Row {
  name: string;
  status: string;
  how: string;
  shownBy: string;
}

const page = readFileSync(`${root}docs/lightning-parity.md`, "utf8");
const rows = page
  .split("\n")
  .filter((line) => line.startsWith("|") && !/^\|\s*(Lightning|-+)\s/.test(line))
  .map((line): Row => {
    const [name = "", status = "", how = "", shownBy = ""] = line
      .split(/(?<!\\)\|/)
      .slice(1)
      .map((cell) => cell.trim().replaceAll("\\|", "|"));
    return { name, status, how, shownBy };
  });

const tests = new Map(
  globSync("tests/**/*.test.ts", { cwd: root }).map((path) => [
    path,
    // Titles may be broken over lines.
    readFileSync(`${root}${path}`, "utf8")
      .replace(/["`']\s*\+\s*["`']/g, "")
      .replace(/\s+/g, " "),
  ]),
);

/** What the page must speak of, in Lightning's words. */
const inventory = {
  "flags of the Trainer": `accelerator strategy devices num_nodes precision logger callbacks fast_dev_run max_epochs
    min_epochs max_steps min_steps maxTime limit_train_batches limit_val_batches limit_test_batches limit_predict_batches
    overfit_batches val_check_interval check_val_every_n_epoch num_sanity_val_steps log_every_n_steps enable_checkpointing
    enable_progress_bar enable_model_summary accumulate_grad_batches gradient_clip_val gradient_clip_algorithm deterministic
    benchmark inference_mode use_distributed_sampler profiler detect_anomaly barebones plugins sync_batchnorm
    reload_dataloaders_every_n_epochs default_root_dir enable_autolog_hparams model_registry suggest_integrations`,
  callbacks: `BackboneFinetuning BaseFinetuning BasePredictionWriter BatchSizeFinder DeviceStatsMonitor EarlyStopping
    EMAWeightAveraging GradientAccumulationScheduler LambdaCallback LearningRateFinder LearningRateMonitor ModelCheckpoint
    ModelPruning ModelSummary OnExceptionCheckpoint ProgressBar SpikeDetection StochasticWeightAveraging ThroughputMonitor
    Timer WeightAveraging`,
  loggers: "CSVLogger TensorBoardLogger WandbLogger MLFlowLogger CometLogger NeptuneLogger DummyLogger",
  "methods of Fabric": `launch setup setup_module setup_optimizers setup_dataloaders backward clip_gradients autocast init_tensor
    init_module to_device barrier broadcast all_gather all_reduce rank_zero_first no_backward_sync load_raw seed_everything`,
};

describe("docs/lightning-parity.md", () => {
  it("has rows that work, differ with a difference, or are left out with a reason", () => {
    expect(rows.length).toBeGreaterThan(300);
    const wrong = rows.filter(({ status, how, shownBy }) => {
      if (status === "works") return shownBy === "";
      return !(status === "differs" || status === "not offered") || how === "";
    });
    expect(wrong).toEqual([]);
  });

  it("names tests that exist", () => {
    const missing = rows.flatMap(({ name, shownBy }) =>
      shownBy
        .split("<br>")
        .filter((reference) => reference !== "")
        .filter((reference) => {
          const [, path, title] = /^(\S+\.test\.ts)(?: "(.*)")?$/.exec(reference) ?? [];
          const text = path === undefined ? undefined : tests.get(path);
          return text === undefined || !text.includes(title ?? "");
        })
        .map((reference) => `${name}: ${reference}`),
    );
    expect(missing).toEqual([]);
  });

  it.each(Object.entries(inventory))("leaves out none of the %s", (_, names) => {
    const text = rows.map(({ name, how }) => `${name} ${how}`).join("\n");
    const camel = (name: string) => name.replace(/_([a-z])/g, (__, letter: string) => letter.toUpperCase());
    const missing = names.split(/\s+/).filter((name) => !text.includes(name) && !text.includes(camel(name)));
    expect(missing).toEqual([]);
  });
});
