/**
 * The quickstart's data set: pictures of eight drawn objects that the project makes itself. Colour, size, place,
 * rotation, background, clutter, noise and brightness are drawn alike for every class; only the shape tells.
 */
import sharp from "sharp";
import { Generator } from "../../src/random.js";
import { drawBackground, drawClutter, drawPalette } from "./scenery.js";
import { shapes } from "./shapes.js";

/** Pixels, uint8, row-major. */
export interface DrawnImage {
  data: Uint8Array;
  width: number;
  height: number;
  channels: 3;
}

export interface DrawnObjects {
  images: DrawnImage[];
  /** The class of each image, an index into `labels`. Image i shows class i modulo the number of classes. */
  targets: number[];
  labels: string[];
}

const inFlight = 32;

/**
 * Draws `count` square pictures of `imageSize` pixels, the classes in turn.
 * Picture i depends on `seed` and i alone, so a larger set begins with the smaller one.
 */
export async function drawnObjects({
  count,
  imageSize = 64,
  seed = 0,
}: {
  count: number;
  imageSize?: number;
  seed?: number;
}): Promise<DrawnObjects> {
  const labels = Object.keys(shapes);
  const targets = Array.from({ length: count }, (_, index) => index % labels.length);
  const images: DrawnImage[] = [];
  for (let start = 0; start < count; start += inFlight) {
    const part = targets.slice(start, start + inFlight);
    const drawn = part.map((target, i) =>
      drawOne(labels[target]!, imageSize, new Generator(seed, start + i)),
    );
    images.push(...(await Promise.all(drawn)));
  }
  return { images, targets, labels };
}

async function drawOne(label: string, imageSize: number, random: Generator): Promise<DrawnImage> {
  const svg = drawScene(label, imageSize, random);
  const data = await sharp(Buffer.from(svg)).removeAlpha().raw().toBuffer();
  addNoise(data, random);
  return { data: new Uint8Array(data), width: imageSize, height: imageSize, channels: 3 };
}

/** One object in its surroundings. It fills 60 to 90 % of the frame and is turned by up to 45 degrees either way. */
function drawScene(label: string, imageSize: number, random: Generator): string {
  const { ground, paint } = drawPalette(random);
  const background = drawBackground(ground, random);
  const behind = drawClutter(4 + random.integer(9), random);
  const size = random.between(0.6, 0.9);
  const room = 50 * (1 - size) + 2;
  const [x, y] = [50 + random.between(-room, room), 50 + random.between(-room, room)];
  const turn = random.between(-45, 45);
  const mirror = random.uniform() < 0.5 ? -1 : 1;
  const [stretchX, stretchY] = [random.between(0.88, 1.12), random.between(0.88, 1.12)];
  const place = `translate(${x} ${y}) rotate(${turn}) scale(${mirror * size * stretchX} ${size * stretchY})`;
  const object = shapes[label]!(paint, random);
  const line = `stroke="${paint.outline}" stroke-width="${random.between(1.5, 3.5)}" stroke-linejoin="round" stroke-linecap="round"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${imageSize}" height="${imageSize}" viewBox="0 0 100 100">
    ${background}${behind}<g transform="${place}" ${line}>${object}</g>${drawClutter(random.integer(3), random)}</svg>`;
}

/** Changes brightness and contrast by up to a quarter and adds uniform noise, in place. */
function addNoise(pixels: Uint8Array, random: Generator): void {
  const gain = random.between(0.75, 1.15);
  const offset = random.between(-20, 20);
  const noise = random.between(0, 18);
  for (let i = 0; i < pixels.length; i++) {
    const value = pixels[i]! * gain + offset + random.between(-noise, noise);
    pixels[i] = Math.max(0, Math.min(255, Math.round(value)));
  }
}
