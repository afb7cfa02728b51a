/** Compares names as people do: runs of digits by their number, so that `class2` comes before `class10`. */
export function compareNaturally(a: string, b: string): number {
  const partsOfA = a.split(/(\d+)/);
  const partsOfB = b.split(/(\d+)/);
  for (let i = 0; i < Math.min(partsOfA.length, partsOfB.length); i++) {
    const order =
      i % 2 === 1 ? compareDigits(partsOfA[i]!, partsOfB[i]!) : compareCodes(partsOfA[i]!, partsOfB[i]!);
    if (order !== 0) return order;
  }
  return partsOfA.length - partsOfB.length || compareCodes(a, b);
}

/** Of any length; `7` and `007` are equal. */
function compareDigits(a: string, b: string): number {
  const significantA = a.replace(/^0+/, "");
  const significantB = b.replace(/^0+/, "");
  return significantA.length - significantB.length || compareCodes(significantA, significantB);
}

function compareCodes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
