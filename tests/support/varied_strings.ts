/** Many kinds of strings for tokenizers: scripts, emoji, combining marks, control characters, very long words. */
import { Generator } from "../../src/random.js";

const WORDS =
  "the quick brown fox card payment transfer Zürich naïve café École straße İstanbul ΑΘΗΝΑΣ Москва don't e-mail 3.14 $5,000 https://a.b/c?d=e foo_bar x86_64 ﬁne ①② Ⅳ ½ ſ".split(
    " ",
  );
const RANGES: readonly [number, number][] = [
  [0x20, 0x7e],
  [0xa0, 0x24f],
  [0x300, 0x36f],
  [0x370, 0x3ff],
  [0x400, 0x4ff],
  [0x5d0, 0x5ea],
  [0x620, 0x6d3],
  [0x904, 0x97f],
  [0xe01, 0xe3a],
  [0x1100, 0x11ff],
  [0x2000, 0x206f],
  [0x3041, 0x30ff],
  [0x4e00, 0x9fff],
  [0xac00, 0xd7a3],
  [0xff01, 0xffee],
  [0x1f300, 0x1f6d2],
  [0x20000, 0x2a6d6],
  [0x1d400, 0x1d7ff],
  [0x1, 0x1f],
  [0x7f, 0x9f],
  [0xfeff, 0xfeff],
  [0xfffd, 0xfffd],
  [0xe000, 0xe010],
];
const ODDITIES = [
  "👍🏽",
  "👨‍👩‍👧‍👦",
  "🇩🇪",
  "e\u0301",
  "a\u0308\u0323",
  "한국어",
  "日本語",
  "ไทย",
  "עברית",
  "[MASK]",
  "[CLS]",
  "##ing",
  "\u0000",
  "\u200b",
  "\u200d",
  "\ufeff",
  "\u00ad",
  "\r\n",
  "\u0085",
];
const FIXED = [
  "",
  " ",
  "   ",
  "\n",
  "\u0000",
  "a".repeat(100),
  "a".repeat(101),
  "é".repeat(120),
  "[CLS][SEP]",
];

/** The same strings for the same count. */
export function variedStrings(count: number): string[] {
  const random = new Generator(20);
  const pick = <T>(list: readonly T[]): T => list[random.integer(list.length)]!;
  const inRange = ([low, high]: readonly [number, number]) =>
    String.fromCodePoint(low + random.integer(high - low + 1));
  const several = (most: number, make: () => string, glue: string) =>
    Array.from({ length: 1 + random.integer(most) }, make).join(glue);
  const kinds = [
    () => several(12, () => pick(WORDS), pick([" ", "  ", "\t", "\n", ""])),
    () => several(30, () => inRange(pick(RANGES)), ""),
    () => several(10, () => (random.uniform() < 0.5 ? pick(WORDS) : inRange(pick(RANGES))), pick(["", " "])),
    () => {
      const range = pick(RANGES);
      return several(20, () => inRange(range), pick(["", " "]));
    },
    () => pick(WORDS).repeat(1 + random.integer(60)),
    () => several(5, () => pick(ODDITIES), pick(["", " ", "a"])),
    () =>
      several(
        20,
        () =>
          random.uniform() < 0.3
            ? pick(WORDS).toUpperCase()
            : pick(WORDS) + pick([",", ".", "!", "…", "—", "'s"]),
        " ",
      ),
  ];
  return [...FIXED, ...Array.from({ length: count - FIXED.length }, () => pick(kinds)())];
}

/** FNV-1a of numbers, to compare long lists by. */
export function fingerprint(numbers: ArrayLike<number>): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < numbers.length; i++) hash = Math.imul(hash ^ numbers[i]!, 0x01000193);
  return hash >>> 0;
}
