/** What an exported file says of its task in `metadata_props`, so that a program can use it without Kindling. */

/** What a task says of itself: JSON, with its `labels` where it has some. */
export interface TaskDescription {
  /** The class, as `ImageClassifier`. */
  task: string;
  /** What each number of the output stands for, in order. */
  labels?: readonly string[];
  [detail: string]: unknown;
}

/**
 * The entries of an exported task:
 *
 * - `kindling.task`: the whole description as JSON, with `version: 1` of this form.
 * - `labels`: the labels as a JSON array.
 * - `names`: the labels as `{0: 'cat', 1: 'dog'}`, the form that Ultralytics' files have and their readers expect.
 */
export function taskMetadata(description: TaskDescription): Record<string, string> {
  const { labels } = description;
  return {
    "kindling.task": JSON.stringify({ version: 1, ...description }),
    ...(labels && { labels: JSON.stringify(labels), names: pythonDictionary(labels) }),
  };
}

function pythonDictionary(labels: readonly string[]): string {
  const quote = (label: string) => {
    const escaped = label.replace(/[\\']/g, "\\$&").replace(/\n/g, "\\n").replace(/\r/g, "\\r");
    return `'${escaped}'`;
  };
  return `{${labels.map((label, i) => `${i}: ${quote(label)}`).join(", ")}}`;
}
