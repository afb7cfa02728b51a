/** The way of pictures through every task that predicts: found, decoded batch by batch, and answered. */
import type { ImageGeometry, ImageSource } from "../../data/index.js";
import type { HostTensor } from "../../host_tensor.js";
import { resolveInputs } from "./image_inputs.js";
import { pictureLoader } from "./picture_loader.js";

/** What stands for many pictures: a folder, a pattern, or a list. */
export type ManyImages = `${string}/` | `${string}*${string}` | readonly ImageSource[];

/** What answers for a batch of pictures, uint8 [batch, height, width, 3]. */
export interface ImagePredictor<Answer> {
  geometry: ImageGeometry;
  answer: (pixels: HostTensor) => Promise<Iterable<Answer>>;
}

/**
 * One source gives one answer; a list, a folder or a pattern gives many, in the order of the pictures.
 *
 * @throws DataError naming the file, as `decodeImage` does; `ERR_NO_IMAGES` for a folder or pattern without pictures
 */
export async function predictImages<Answer>(
  input: ImageSource | readonly ImageSource[],
  { geometry, answer }: ImagePredictor<Answer>,
): Promise<Answer | Answer[]> {
  const { sources, single } = await resolveInputs(input);
  const answers: Answer[] = [];
  for await (const pixels of pictureLoader(sources, geometry)) answers.push(...(await answer(pixels)));
  return single ? answers[0]! : answers.slice(0, sources.length);
}
