/** The part of crc-32 that its own types leave out. */
declare module "crc-32/crc32c.js" {
  const crc32c: { buf(data: Uint8Array, seed?: number): number };
  export default crc32c;
}
