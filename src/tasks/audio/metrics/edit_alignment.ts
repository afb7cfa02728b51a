/** How one sequence becomes another by the fewest edits. */

/** One step of an alignment: the same, or what was put in another's place, added or left out. */
export interface AlignmentStep {
  kind: "equal" | "substitution" | "insertion" | "deletion";
  /** Absent for an insertion. */
  reference?: string;
  /** Absent for a deletion. */
  hypothesis?: string;
}

/** The edits of an alignment. */
export interface EditCounts {
  substitutions: number;
  insertions: number;
  deletions: number;
  /** How long the reference is. */
  length: number;
}

/** The alignment with the fewest edits (Levenshtein, 1966); of several, one with as many substitutions as it can have. */
export function alignSequences(reference: readonly string[], hypothesis: readonly string[]): AlignmentStep[] {
  const [rows, columns] = [reference.length + 1, hypothesis.length + 1];
  const cost = new Int32Array(rows * columns);
  for (let j = 0; j < columns; j++) cost[j] = j;
  for (let i = 1; i < rows; i++) {
    cost[i * columns] = i;
    for (let j = 1; j < columns; j++) {
      const replace = cost[(i - 1) * columns + j - 1]! + (reference[i - 1] === hypothesis[j - 1] ? 0 : 1);
      const remove = cost[(i - 1) * columns + j]! + 1;
      const insert = cost[i * columns + j - 1]! + 1;
      cost[i * columns + j] = Math.min(replace, remove, insert);
    }
  }
  const steps: AlignmentStep[] = [];
  let [i, j] = [rows - 1, columns - 1];
  while (i > 0 || j > 0) {
    const here = cost[i * columns + j]!;
    const isEqual = reference[i - 1] === hypothesis[j - 1];
    if (i > 0 && j > 0 && here === cost[(i - 1) * columns + j - 1]! + (isEqual ? 0 : 1)) {
      const kind = isEqual ? "equal" : "substitution";
      steps.push({ kind, reference: reference[--i]!, hypothesis: hypothesis[--j]! });
    } else if (i > 0 && here === cost[(i - 1) * columns + j]! + 1) {
      steps.push({ kind: "deletion", reference: reference[--i]! });
    } else {
      steps.push({ kind: "insertion", hypothesis: hypothesis[--j]! });
    }
  }
  return steps.reverse();
}

export function countEdits(steps: readonly AlignmentStep[]): EditCounts {
  const count = (kind: AlignmentStep["kind"]) => steps.filter((step) => step.kind === kind).length;
  const [substitutions, insertions, deletions] = [
    count("substitution"),
    count("insertion"),
    count("deletion"),
  ];
  return { substitutions, insertions, deletions, length: steps.length - insertions };
}
