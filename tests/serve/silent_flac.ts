/** FLAC files that hold hours of silence in a few kilobytes: https://www.rfc-editor.org/rfc/rfc9639 */

const SAMPLE_RATE = 8000;
const BLOCK = 65535;

function crc(bytes: Uint8Array, bits: 8 | 16, polynomial: number): number {
  const top = 1 << (bits - 1);
  const mask = 2 ** bits - 1;
  let value = 0;
  for (const byte of bytes) {
    value ^= byte << (bits - 8);
    for (let bit = 0; bit < 8; bit++) value = (value & top ? (value << 1) ^ polynomial : value << 1) & mask;
  }
  return value;
}

/** As many seconds of silence as frames of 8.2 s hold; the head claims `claimed` samples, or says nothing. */
export function silentFlac(frames: number, claimed = 0): Buffer {
  const info = Buffer.alloc(34);
  info.writeUInt16BE(BLOCK, 0);
  info.writeUInt16BE(BLOCK, 2);
  // 20 bits of sample rate, 3 of channels - 1, 5 of bits a sample - 1, 36 of samples.
  info.writeBigUInt64BE((BigInt(SAMPLE_RATE) << 44n) | (0n << 41n) | (15n << 36n) | BigInt(claimed), 10);
  const head = Buffer.concat([Buffer.from("fLaC"), Buffer.from([0x80, 0, 0, info.length]), info]);
  return Buffer.concat([head, ...Array.from({ length: frames }, (_, number) => silentFrame(number))]);
}

function silentFrame(number: number): Buffer {
  const start = Buffer.from([0xff, 0xf8, 0x74, 0x08]);
  const coded = Buffer.from(String.fromCodePoint(number), "utf8");
  const size = Buffer.from([(BLOCK - 1) >> 8, (BLOCK - 1) & 0xff]);
  const header = Buffer.concat([start, coded, size]);
  const constant = Buffer.from([0, 0, 0]);
  const frame = Buffer.concat([header, Buffer.from([crc(header, 8, 0x07)]), constant]);
  const check = Buffer.alloc(2);
  check.writeUInt16BE(crc(frame, 16, 0x8005));
  return Buffer.concat([frame, check]);
}
