/** What the page does: asks which models there are, takes an input, sends it, shows the answer and the request. */
import { drawBoxes, showPrediction, showProblem } from "./answers.js";
import { recordingProblem, startRecording } from "./recorder.js";

const $ = (id) => document.getElementById(id);
/** Classes that are shown at most. */
const SHOWN = 5;

const state = { models: {}, name: "", token: "", asking: undefined, shown: undefined, stop: undefined };

const FILES = {
  pictures: {
    accept: "image/*",
    label: "Choose, drop or paste a picture",
    example: new File([], "picture.jpg", { type: "image/jpeg" }),
  },
  sounds: {
    accept: "audio/*,.flac,.opus",
    label: "Choose or drop a sound",
    example: new File([], "sound.wav", { type: "audio/wav" }),
  },
};

async function loadModels() {
  const response = await fetch("info", { headers: authorization() });
  if (response.status === 401) {
    $("token-problem").textContent = state.token === "" ? "" : "That is not the token.";
    $("token-form").hidden = false;
    $("token").focus();
    return;
  }
  state.models = (await response.json()).models;
  $("token-form").hidden = true;
  $("main").hidden = false;
  const names = Object.keys(state.models);
  $("model").replaceChildren(...names.map((name) => new Option(name)));
  $("model-choice").hidden = names.length < 2;
  chooseModel(names[0]);
}

function authorization() {
  return state.token === "" ? {} : { authorization: `Bearer ${state.token}` };
}

function chooseModel(name) {
  state.name = name;
  const { task, inputs, labels } = state.models[name];
  const classes =
    labels === undefined ? "" : `, ${labels.length} ${labels.length === 1 ? "class" : "classes"}`;
  const isNamed = Object.keys(state.models).length > 1;
  $("model-info").textContent = `${isNamed ? "" : `${name}: `}${task}${classes}`;
  $("text-form").hidden = inputs !== "texts";
  $("file-input").hidden = inputs === "texts";
  $("record-row").hidden = inputs !== "sounds";
  const files = FILES[inputs];
  if (files !== undefined) {
    $("file").accept = files.accept;
    $("file-label").textContent = files.label;
  }
  clear();
  showRequest(files?.example ?? $("text").value);
}

function clear() {
  state.asking?.abort();
  if (state.shown !== undefined) URL.revokeObjectURL(state.shown);
  state.shown = undefined;
  $("file").value = "";
  $("preview").hidden = true;
  $("boxes").replaceChildren();
  $("answer").replaceChildren();
  $("status").textContent = "";
}

/** Classifiers are asked for their best classes, not the best alone. */
function queryOf({ task, labels }) {
  const isClassifier = ["ImageClassifier", "TextClassifier", "AudioClassifier"].includes(task);
  return isClassifier ? `?topK=${Math.min(SHOWN, labels.length)}` : "";
}

function pathOf(name) {
  return `models/${encodeURIComponent(name)}/predict${queryOf(state.models[name])}`;
}

/** @param input a File, or a text */
function bodyOf(input) {
  if (typeof input !== "string") return { type: input.type || "application/octet-stream", body: input };
  return { type: "application/json", body: JSON.stringify({ input }) };
}

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function showRequest(input) {
  const { type, body } = bodyOf(input);
  const lines = [`curl ${quote(new URL(pathOf(state.name), location.href).href)}`];
  if (state.token !== "") lines.push('-H "Authorization: Bearer $TOKEN"');
  lines.push(`-H ${quote(`Content-Type: ${type}`)}`);
  lines.push(typeof body === "string" ? `--data ${quote(body)}` : `--data-binary ${quote(`@${body.name}`)}`);
  $("request").textContent = lines.join(" \\\n  ");
}

async function ask(input) {
  state.asking?.abort();
  const asking = (state.asking = new AbortController());
  const model = state.models[state.name];
  showRequest(input);
  $("status").textContent = "Asking…";
  $("answer").replaceChildren();
  $("boxes").replaceChildren();
  try {
    const { type, body } = bodyOf(input);
    const start = performance.now();
    const response = await fetch(pathOf(state.name), {
      method: "POST",
      headers: { ...authorization(), "content-type": type },
      body,
      signal: asking.signal,
    });
    const answer = await response.json();
    const took = Math.round(performance.now() - start);
    $("status").textContent = `${response.status} in ${took} ms`;
    if (!response.ok) return void $("answer").replaceChildren(showProblem(answer.error));
    $("answer").replaceChildren(showPrediction(model.task, answer.prediction, input));
    if (model.task === "ObjectDetector") await drawOnPicture(answer.prediction, asking.signal);
  } catch (error) {
    if (asking.signal.aborted) return;
    $("status").textContent = "";
    $("answer").replaceChildren(
      showProblem({ code: error.name, message: `No answer came: ${error.message}` }),
    );
  }
}

async function drawOnPicture(detections, signal) {
  const picture = $("picture");
  const isShown = await picture.decode().then(
    () => true,
    () => false,
  );
  if (signal.aborted || !isShown) return;
  drawBoxes($("boxes"), detections, { width: picture.naturalWidth, height: picture.naturalHeight });
}

function takeFile(file) {
  if (file === undefined) return;
  clear();
  const isPicture = state.models[state.name].inputs === "pictures";
  state.shown = URL.createObjectURL(file);
  $("preview").hidden = false;
  $("picture-frame").hidden = !isPicture;
  $("sound").hidden = isPicture;
  $(isPicture ? "picture" : "sound").src = state.shown;
  $("file-name").textContent = `${file.name}, ${(file.size / 1024).toFixed(0)} KiB`;
  void ask(file);
}

async function toggleRecording() {
  const button = $("record");
  const show = (isRecording) => {
    button.textContent = isRecording ? "Stop" : "Record";
    button.setAttribute("aria-pressed", String(isRecording));
    $("loudness").value = 0;
  };
  const { stop } = state;
  if (stop !== undefined) {
    state.stop = undefined;
    show(false);
    return takeFile(await stop());
  }
  button.disabled = true;
  try {
    state.stop = await startRecording((loudness) => ($("loudness").value = loudness));
    $("record-note").textContent = "";
    show(true);
  } catch (error) {
    $("record-note").textContent = `Nothing can be recorded: ${error.message}`;
  } finally {
    button.disabled = false;
  }
}

async function copyRequest() {
  const code = $("request");
  try {
    await navigator.clipboard.writeText(code.textContent);
    $("copy").textContent = "Copied";
    setTimeout(() => ($("copy").textContent = "Copy"), 1500);
  } catch {
    // Without the clipboard, as over http from another machine, it is marked for the user to copy.
    getSelection().selectAllChildren(code);
  }
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  state.token = $("token").value;
  void loadModels();
});
$("model").addEventListener("change", () => chooseModel($("model").value));
$("text-form").addEventListener("submit", (event) => {
  event.preventDefault();
  void ask($("text").value);
});
$("text").addEventListener("input", () => showRequest($("text").value));
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("text-form").requestSubmit();
});
$("file").addEventListener("change", () => takeFile($("file").files[0]));
$("record").addEventListener("click", () => void toggleRecording());
$("copy").addEventListener("click", () => void copyRequest());

// A file that is dropped beside the field must not replace the page.
for (const type of ["dragover", "drop"]) addEventListener(type, (event) => event.preventDefault());
addEventListener("dragover", () => $("drop").classList.add("over"));
for (const type of ["dragleave", "drop"]) addEventListener(type, () => $("drop").classList.remove("over"));
const takesFiles = () => !$("main").hidden && !$("file-input").hidden;
addEventListener("drop", ({ dataTransfer }) => {
  if (takesFiles()) takeFile(dataTransfer.files[0]);
});
addEventListener("paste", ({ clipboardData }) => {
  if (takesFiles()) takeFile(clipboardData.files[0]);
});

const problem = recordingProblem();
if (problem !== undefined) {
  $("record").disabled = true;
  $("record-note").textContent = problem;
}
await loadModels();
