/** What stands around a drawn object: colours, a background with gradient and texture, and clutter, as SVG. */
import type { Generator } from "../../src/random.js";
import type { Paint } from "./shapes.js";

interface Color {
  hue: number;
  saturation: number;
  lightness: number;
}

/** Colours of an object and of what is behind it, drawn the same way for every class. */
export interface Palette {
  paint: Paint;
  ground: Color;
}

/** Chooses a ground, a body that stands out from it, and further colours that stand out from the body. */
export function drawPalette(random: Generator): Palette {
  const ground = drawColor(random);
  const body = contrasting(random, ground);
  const dark = random.uniform() < 0.5;
  const outline = { ...drawColor(random), lightness: dark ? random.between(6, 20) : random.between(84, 96) };
  return {
    ground,
    paint: {
      body: css(body),
      detail: css(contrasting(random, body)),
      accent: css(contrasting(random, body)),
      outline: css(outline),
    },
  };
}

/** A gradient over the square from 0 to 100, with stripes, dots, blotches or nothing on it. */
export function drawBackground(ground: Color, random: Generator): string {
  const far = {
    hue: ground.hue + random.between(-30, 30),
    saturation: ground.saturation,
    lightness: ground.lightness + random.between(-14, 14),
  };
  const angle = random.between(0, 360);
  return `<linearGradient id="ground" gradientTransform="rotate(${angle} .5 .5)">
      <stop offset="0" stop-color="${css(ground)}"/><stop offset="1" stop-color="${css(far)}"/>
    </linearGradient>
    <rect width="100" height="100" fill="url(#ground)"/>${drawTexture(far, random)}`;
}

function drawTexture(ground: Color, random: Generator): string {
  const lightness = ground.lightness + (random.uniform() < 0.5 ? -1 : 1) * random.between(6, 14);
  const color = css({ ...ground, lightness });
  const step = random.between(7, 18);
  const turn = `rotate(${random.between(0, 180)} 50 50)`;
  const marks: string[] = [];
  const kind = random.integer(4);
  if (kind === 0) {
    for (let x = -50; x < 150; x += step)
      marks.push(`<path d="M${x} -50V150" stroke-width="${step * 0.4}"/>`);
  } else if (kind === 1) {
    for (let x = -30; x < 130; x += step) {
      for (let y = -30; y < 130; y += step) {
        marks.push(`<circle cx="${x}" cy="${y}" r="${step * 0.2}" fill="${color}" stroke="none"/>`);
      }
    }
  } else if (kind === 2) {
    for (let i = 0; i < 6; i++) {
      const place = `cx="${random.between(0, 100)}" cy="${random.between(0, 100)}"`;
      const size = `rx="${random.between(8, 26)}" ry="${random.between(8, 26)}"`;
      marks.push(`<ellipse ${place} ${size} fill="${color}" stroke="none" opacity=".6"/>`);
    }
  }
  return `<g transform="${turn}" stroke="${color}" fill="none">${marks.join("")}</g>`;
}

/** `count` lines, arcs, discs, rings and polygons of any colour, scattered over the square from 0 to 100. */
export function drawClutter(count: number, random: Generator): string {
  return Array.from({ length: count }, () => drawScrap(random)).join("");
}

function drawScrap(random: Generator): string {
  const color = css(drawColor(random));
  const x = random.between(-4, 104);
  const y = random.between(-4, 104);
  const size = random.between(3, 9);
  const near = () => `${x + random.between(-size, size)} ${y + random.between(-size, size)}`;
  const far = () => `${x + random.between(-30, 30)} ${y + random.between(-30, 30)}`;
  const line = `fill="none" stroke="${color}" stroke-width="${random.between(0.8, 2.2)}"`;
  switch (random.integer(5)) {
    case 0:
      return `<path d="M${x} ${y}L${far()}" ${line}/>`;
    case 1:
      return `<path d="M${x} ${y}Q${far()} ${far()}" ${line}/>`;
    case 2:
      return `<circle cx="${x}" cy="${y}" r="${size * 0.5}" fill="${color}"/>`;
    case 3:
      return `<circle cx="${x}" cy="${y}" r="${size * 0.8}" ${line}/>`;
    default:
      return `<path d="M${near()}L${near()}L${near()}L${near()}Z" fill="${color}"/>`;
  }
}

function drawColor(random: Generator): Color {
  return {
    hue: random.between(0, 360),
    saturation: random.between(15, 95),
    lightness: random.between(18, 88),
  };
}

/** A colour whose lightness differs from the given one by at least 24 of 100. */
function contrasting(random: Generator, from: Color): Color {
  for (;;) {
    const color = drawColor(random);
    if (Math.abs(color.lightness - from.lightness) >= 24) return color;
  }
}

function css({ hue, saturation, lightness }: Color): string {
  const bounded = Math.min(96, Math.max(4, lightness));
  return `hsl(${((hue % 360) + 360) % 360},${saturation}%,${bounded}%)`;
}
