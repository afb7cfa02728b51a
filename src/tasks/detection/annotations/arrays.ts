/** Pictures and boxes that the caller has in memory. */
import { ConfigurationError, DataError, describeChoices } from "../../../errors.js";
import { nameOfSource } from "../../image/image_sources.js";
import { boxFrom, type BoxFormat } from "../boxes.js";
import type { BoxArrays, BoxTargets } from "../detection_data_options.js";
import { collectProblem, type AnnotatedBox, type AnnotationScan } from "./annotated_image.js";

/** @throws ConfigurationError `ERR_TARGETS` where lengths do not fit; `ERR_UNKNOWN_CLASS` for a number without a label */
export function readArrays(
  part: string,
  { images, targets }: BoxArrays,
  { boxFormat, labels }: { boxFormat: BoxFormat; labels: readonly string[] | undefined },
): AnnotationScan {
  if (images.length !== targets.length) {
    throw new ConfigurationError(
      "ERR_TARGETS",
      `\`${part}\` has ${images.length} pictures but ${targets.length} targets. Give one target for each picture.`,
    );
  }
  const problems: DataError[] = [];
  const annotated = images.map((image, i) => {
    const target = targets[i]!;
    const name = nameOfSource(image, i);
    checkLengths(target, part, i);
    const boxes = target.boxes.flatMap((numbers, b): AnnotatedBox[] => {
      const label = labelOf(target.labels[b]!, labels, `\`${part}\`, picture ${i}, box ${b}`);
      const box = collectProblem(problems, () => {
        const found = boxFrom(numbers, boxFormat);
        if (numbers.every(Number.isFinite) && found.xmax > found.xmin && found.ymax > found.ymin)
          return found;
        const message = `Box ${b} (${label}) of ${name} in \`${part}\` is no box with an area: [${numbers.join(", ")}] as ${boxFormat}.`;
        throw new DataError("ERR_BOX_EMPTY", message, { path: name });
      });
      return box === undefined ? [] : [{ ...box, label }];
    });
    return { image, boxes };
  });
  return { images: annotated, problems };
}

function checkLengths({ boxes, labels }: BoxTargets, part: string, i: number): void {
  const odd = boxes.findIndex(({ length }) => length !== 4);
  if (boxes.length === labels.length && odd < 0) return;
  const problem =
    odd >= 0
      ? `box ${odd} has ${boxes[odd]!.length} numbers, not four`
      : `there are ${boxes.length} boxes and ${labels.length} labels`;
  throw new ConfigurationError("ERR_TARGETS", `\`${part}\`, picture ${i}: ${problem}.`);
}

function labelOf(label: string | number, labels: readonly string[] | undefined, where: string): string {
  if (typeof label === "string") return label;
  const name = labels === undefined ? String(label) : labels[label];
  if (name !== undefined) return name;
  throw new ConfigurationError(
    "ERR_UNKNOWN_CLASS",
    `${where}: there is no class ${label}. ${describeChoices(String(label), labels!)}`,
  );
}
