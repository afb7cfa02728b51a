/** Shows a prediction: classes as bars, boxes on the picture, a transcript with its times, names in a text. */

const COLORS = ["#e4572e", "#17a398", "#5b6ee1", "#c99a00", "#b0419c", "#4c9f38", "#0086c9", "#d1365f"];

/** Text always enters as text: a label or transcript is never markup. */
function element(tag, { className, text, children = [] } = {}) {
  const made = document.createElement(tag);
  if (className !== undefined) made.className = className;
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

const percent = (score) => `${(100 * score).toFixed(1)} %`;
const seconds = (time) => `${time.toFixed(2)} s`;

function table(heads, rows) {
  const cell = (tag) => (value, column) =>
    element(tag, { text: value, className: heads[column].isNumber ? "number" : undefined });
  const head = element("tr", { children: heads.map(({ name }, column) => cell("th")(name, column)) });
  const body = rows.map((row) => element("tr", { children: row.map(cell("td")) }));
  const whole = element("table", {
    children: [element("thead", { children: [head] }), element("tbody", { children: body })],
  });
  return element("div", { className: "table", children: [whole] });
}

function bars(entries) {
  const items = entries.map(({ label, score, color }) => {
    const name = element("span", { text: label });
    if (color !== undefined) {
      const swatch = element("span", { className: "swatch" });
      swatch.style.background = color;
      name.prepend(swatch);
    }
    const filled = element("span");
    filled.style.width = `${Math.min(100, Math.max(0, 100 * score))}%`;
    const bar = element("div", { className: "bar", children: [filled] });
    return element("li", { children: [name, element("output", { text: percent(score) }), bar] });
  });
  return element("ol", { className: "bars", children: items });
}

const colorOf = (classId) => COLORS[classId % COLORS.length];

/** Boxes lie over the picture in its own pixels, whatever size it is shown in. */
export function drawBoxes(svg, detections, { width, height }) {
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  const shape = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const size = Math.max(width, height) / 28;
  const shapes = detections.flatMap(({ label, score, classId, box }) => {
    const rect = shape("rect", {
      x: box.xmin,
      y: box.ymin,
      width: box.xmax - box.xmin,
      height: box.ymax - box.ymin,
      stroke: colorOf(classId),
    });
    const above = box.ymin > size * 1.3 ? box.ymin - size * 0.3 : box.ymin + size * 1.1;
    const name = shape("text", { x: box.xmin + size * 0.2, y: above, "font-size": size });
    name.textContent = `${label} ${percent(score)}`;
    return [rect, name];
  });
  svg.replaceChildren(...shapes);
}

function detectionList(detections) {
  if (detections.length === 0) return element("p", { text: "Nothing was found." });
  return bars(detections.map((found) => ({ ...found, color: colorOf(found.classId) })));
}

function transcript({ text, words }) {
  const said = element("p", {
    className: "transcript",
    text: text === "" ? "Nothing was understood." : text,
  });
  if (words.length === 0) return said;
  const heads = [
    { name: "Word" },
    { name: "From", isNumber: true },
    { name: "To", isNumber: true },
    { name: "Sure", isNumber: true },
  ];
  const rows = words.map(({ word, start, end, score }) => [
    word,
    seconds(start),
    seconds(end),
    percent(score),
  ]);
  return element("div", { children: [said, table(heads, rows)] });
}

/** The text with its entities marked. */
function entities(text, found) {
  const parts = [];
  let done = 0;
  for (const { type, start, end } of [...found].sort((a, b) => a.start - b.start)) {
    parts.push(text.slice(done, start));
    const kind = element("small", { text: type });
    parts.push(element("mark", { text: text.slice(start, end), children: [kind] }));
    done = end;
  }
  return element("p", { className: "transcript", children: [...parts, text.slice(done)] });
}

/** @param given the text that was sent, where it was one */
export function showPrediction(task, prediction, given) {
  if (task === "ObjectDetector") return detectionList(prediction);
  if (task === "SpeechRecognizer") return transcript(prediction);
  if (task === "TokenClassifier") return entities(given, prediction);
  return bars([prediction].flat());
}

export function showProblem({ code, message }) {
  return element("p", { className: "problem", text: `${message} (${code})` });
}
