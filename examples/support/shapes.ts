/**
 * Eight everyday objects as SVG, each drawn around (0, 0) and about 100 units across. Every object is painted with the
 * same four colours, so that only its shape tells what it is.
 */
import type { Generator } from "../../src/random.js";

/** SVG colours. */
export interface Paint {
  body: string;
  /** Second surface: a roof, a window, a fin. */
  detail: string;
  /** Small marks on the body or the detail. */
  accent: string;
  outline: string;
}

/** Returns the SVG elements of one object; `random` varies its proportions. */
export type Shape = (paint: Paint, random: Generator) => string;

const car: Shape = ({ body, detail, accent, outline }, random) => {
  const roof = random.between(-27, -19);
  const front = random.between(18, 24);
  const wheel = random.between(9, 11.5);
  const tyres = [-26, 26]
    .map(
      (x) => `<circle cx="${x}" cy="18" r="${wheel}" fill="${outline}"/>
      <circle cx="${x}" cy="18" r="${wheel * 0.45}" fill="${accent}"/>`,
    )
    .join("");
  return `<path fill="${body}" d="M-48 16V4Q-48 -3 -40 -4L-31 -5L-20 ${roof}Q-18 ${roof - 3} -14 ${roof - 3}H8Q12 ${roof - 3} 14 ${roof}L${front + 5} -5L40 -2Q48 -1 48 6V16Z"/>
    <path fill="${detail}" d="M-24 -5L-15 ${roof + 3}H-4V-5ZM1 -5V${roof + 3}H9L${front - 2} -5Z"/>
    <path fill="${accent}" d="M42 1H48V7H42ZM-48 3H-43V9H-48Z"/>${tyres}`;
};

const cup: Shape = ({ body, detail, accent, outline }, random) => {
  const foot = random.between(17, 24);
  const band = random.between(2, 14);
  return `<path fill="none" stroke="${outline}" stroke-width="14" d="M22 -8C52 -14 52 26 18 24"/>
    <path fill="none" stroke="${body}" stroke-width="8" d="M22 -8C52 -14 52 26 18 24"/>
    <path fill="${body}" d="M-30 -18L${-foot} 38Q${-foot + 1} 44 ${-foot + 7} 44H${foot - 9}Q${foot - 3} 44 ${foot - 2} 38L28 -18Z"/>
    <path fill="${accent}" stroke="none" d="M-26 ${band - 6}H24L23 ${band + 6}H-25Z"/>
    <ellipse fill="${detail}" cx="-1" cy="-18" rx="29" ry="7"/>
    <path fill="none" stroke="${outline}" stroke-width="4" d="M-13 -30q-6 -6 0 -11t0 -9M3 -30q-6 -6 0 -11t0 -9"/>`;
};

const fish: Shape = ({ body, detail, accent, outline }, random) => {
  const belly = random.between(17, 25);
  const tail = random.between(18, 26);
  return `<path fill="${detail}" d="M-20 0L-48 ${-tail}Q-40 0 -48 ${tail}Z"/>
    <path fill="${detail}" d="M-6 ${-belly + 6}Q2 ${-belly - 18} 22 ${-belly + 2}L18 ${-belly + 10}Z"/>
    <path fill="${body}" d="M-28 0Q0 ${-belly * 1.75} 36 ${-belly * 0.35}Q50 -2 48 3Q44 ${belly * 0.5} 30 ${belly * 0.65}Q0 ${belly * 1.6} -28 0Z"/>
    <path fill="${accent}" d="M2 4Q-10 2 -16 14Q-4 18 4 10Z"/>
    <path fill="none" stroke="${outline}" stroke-width="3" d="M18 ${-belly * 0.75}Q8 0 18 ${belly * 0.7}M48 4Q42 7 37 5"/>
    <circle cx="32" cy="-5" r="5.5" fill="${accent}"/><circle cx="33" cy="-5" r="2.4" fill="${outline}"/>`;
};

const house: Shape = ({ body, detail, accent, outline }, random) => {
  const peak = random.between(-48, -38);
  const door = random.between(-20, -8);
  return `<path fill="${body}" d="M17 -38H29V-10H17Z"/>
    <path fill="${body}" d="M-34 -8H34V44H-34Z"/>
    <path fill="${detail}" d="M-46 -6L0 ${peak}L46 -6Z"/>
    <path fill="${accent}" d="M${door - 8} 44V14H${door + 8}V44Z"/>
    <path fill="${accent}" d="M9 5H27V23H9Z"/>
    <path fill="none" stroke="${outline}" stroke-width="2.5" d="M18 5V23M9 14H27"/>`;
};

const key: Shape = ({ body, detail, accent, outline }, random) => {
  const hole = random.between(7, 10);
  const teeth = random.between(14, 20);
  return `<path fill="${body}" d="M-10 -6H44Q48 -6 48 0V${teeth}H39V7H32V${teeth - 4}H23V7H-10Z"/>
    <circle cx="-26" cy="0" r="22" fill="${body}"/>
    <circle cx="-26" cy="0" r="${hole + 6}" fill="${detail}"/>
    <circle cx="-26" cy="0" r="${hole}" fill="${accent}"/>
    <path fill="none" stroke="${outline}" stroke-width="2.5" d="M-2 0H40"/>`;
};

const star: Shape = ({ body, detail, accent }, random) => {
  const inner = random.between(17, 24);
  const corner = (step: number, radius: number) => {
    const angle = (step * Math.PI) / 5 - Math.PI / 2;
    return `${(radius * Math.cos(angle)).toFixed(2)} ${(radius * Math.sin(angle)).toFixed(2)}`;
  };
  const corners = Array.from({ length: 10 }, (_, step) => corner(step, step % 2 === 0 ? 49 : inner));
  const facets = [0, 2, 4, 6, 8].map((step) => `M0 0L${corner(step, 49)}L${corner(step + 1, inner)}Z`);
  return `<path fill="${body}" d="M${corners.join("L")}Z"/>
    <path fill="${detail}" stroke-width="1.5" d="${facets.join("")}"/>
    <circle r="${random.between(4, 8)}" fill="${accent}"/>`;
};

const tree: Shape = ({ body, detail, accent, outline }, random) => {
  const width = random.between(29, 37);
  const tier = (top: number, bottom: number, half: number) =>
    `<path fill="${body}" d="M0 ${top}L${half} ${bottom}Q0 ${bottom + 8} ${-half} ${bottom}Z"/>`;
  const baubles = [
    [-10, 22],
    [12, 18],
    [3, 3],
    [-5, -17],
  ].map(
    ([x, y]) => `<circle cx="${x}" cy="${y}" r="4" fill="${accent}" stroke="${outline}" stroke-width="1.5"/>`,
  );
  return `<path fill="${detail}" d="M-7 26H7V48H-7Z"/>
    ${tier(-14, 30, width)}${tier(-32, 10, width * 0.78)}${tier(-49, -10, width * 0.56)}${baubles.join("")}`;
};

const umbrella: Shape = ({ body, detail, accent, outline }, random) => {
  const top = random.between(-44, -36);
  return `<path fill="none" stroke="${outline}" stroke-width="8" d="M0 ${top - 6}V34Q0 44 -9 44T-18 34"/>
    <path fill="none" stroke="${accent}" stroke-width="4" d="M0 ${top - 6}V34Q0 44 -9 44T-18 34"/>
    <path fill="${body}" d="M-48 2C-46 ${top - 8} 46 ${top - 8} 48 2Q40 -6 32 2Q24 -6 16 2Q8 -6 0 2Q-8 -6 -16 2Q-24 -6 -32 2Q-40 -6 -48 2Z"/>
    <path fill="${detail}" stroke-width="2" d="M0 ${top}Q-16 -18 -16 2Q-24 -6 -32 2Q-30 -26 0 ${top}ZM0 ${top}Q16 -18 16 2Q24 -6 32 2Q30 -26 0 ${top}Z"/>`;
};

/** The objects by label, in alphabetical order. */
export const shapes: Record<string, Shape> = { car, cup, fish, house, key, star, tree, umbrella };
