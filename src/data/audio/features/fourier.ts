/** Fourier transforms of real frames of any length, and convolutions by them. */
import FFT from "fft.js";

interface ComplexTransform {
  transform(out: Float64Array, data: Float64Array): void;
  inverseTransform(out: Float64Array, data: Float64Array): void;
  realTransform(out: Float64Array, data: Float64Array): void;
}

const newTransform = (size: number) => new (FFT as unknown as new (size: number) => ComplexTransform)(size);

/** |X(k)|² of real frames, k = 0 … size / 2. Lengths other than powers of 2 go through Bluestein's chirps (1970). */
export class PowerSpectrum {
  readonly size: number;
  readonly bins: number;
  readonly #compute: (frame: Float64Array) => Float64Array;

  /** @param size samples a frame, at least 2 */
  constructor(size: number) {
    this.size = size;
    this.bins = Math.floor(size / 2) + 1;
    this.#compute = Number.isInteger(Math.log2(size)) ? powerOfTwo(size) : bluestein(size);
  }

  /**
   * @param frame `size` samples
   * @param out gets `bins` numbers
   */
  compute(frame: Float64Array, out: Float64Array): void {
    const spectrum = this.#compute(frame);
    for (let k = 0; k < this.bins; k++) out[k] = spectrum[2 * k]! ** 2 + spectrum[2 * k + 1]! ** 2;
  }
}

/** Gives real and imaginary parts in turn. */
function powerOfTwo(size: number): (frame: Float64Array) => Float64Array {
  if (size === 2) return (frame) => Float64Array.of(frame[0]! + frame[1]!, 0, frame[0]! - frame[1]!, 0);
  const fft = newTransform(size);
  const out = new Float64Array(2 * size);
  return (frame) => {
    fft.realTransform(out, frame);
    return out;
  };
}

/** The beginning of the convolution of two signals, as long as the first one. */
export function convolve(signal: Float32Array, response: Float32Array): Float32Array {
  const length = signal.length + response.length - 1;
  if (signal.length === 0 || response.length === 0) return new Float32Array(signal.length);
  const size = 2 ** Math.max(1, Math.ceil(Math.log2(length)));
  const fft = newTransform(size);
  const [both, spectrum] = [new Float64Array(2 * size), new Float64Array(2 * size)];
  signal.forEach((value, i) => (both[2 * i] = value));
  response.forEach((value, i) => (both[2 * i + 1] = value));
  fft.transform(spectrum, both);
  // One is the real part and one the imaginary: their spectra are the even and the odd part of the whole.
  for (let k = 0; k < size; k++) {
    const m = (size - k) % size;
    const [a, b, c, d] = [spectrum[2 * k]!, spectrum[2 * k + 1]!, spectrum[2 * m]!, -spectrum[2 * m + 1]!];
    const [xr, xi, hr, hi] = [(a + c) / 2, (b + d) / 2, (b - d) / 2, (c - a) / 2];
    both[2 * k] = xr * hr - xi * hi;
    both[2 * k + 1] = xr * hi + xi * hr;
  }
  fft.inverseTransform(spectrum, both);
  return Float32Array.from(signal, (_, i) => spectrum[2 * i]!);
}

/** As a convolution with a chirp, kn = (k² + n² - (k - n)²) / 2, which powers of 2 compute. */
function bluestein(size: number): (frame: Float64Array) => Float64Array {
  const length = 2 ** Math.ceil(Math.log2(2 * size - 1));
  const fft = newTransform(length);
  const chirp = new Float64Array(2 * size);
  for (let n = 0; n < size; n++) {
    // n² is taken modulo its period, 2 · size, so that the angle stays exact.
    const angle = (-Math.PI * ((n * n) % (2 * size))) / size;
    chirp[2 * n] = Math.cos(angle);
    chirp[2 * n + 1] = Math.sin(angle);
  }
  const kernel = new Float64Array(2 * length);
  for (let n = 0; n < size; n++) {
    for (const place of n === 0 ? [0] : [n, length - n]) {
      kernel[2 * place] = chirp[2 * n]!;
      kernel[2 * place + 1] = -chirp[2 * n + 1]!;
    }
  }
  const kernelSpectrum = new Float64Array(2 * length);
  fft.transform(kernelSpectrum, kernel);
  const [signal, spectrum, product, out] = [0, 0, 0, 0].map(() => new Float64Array(2 * length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  return (frame) => {
    for (let n = 0; n < size; n++) {
      signal[2 * n] = frame[n]! * chirp[2 * n]!;
      signal[2 * n + 1] = frame[n]! * chirp[2 * n + 1]!;
    }
    fft.transform(spectrum, signal);
    // The conjugate of the product transformed forwards is the conjugate of its inverse, times the length.
    for (let i = 0; i < 2 * length; i += 2) {
      const [a, b, c, d] = [spectrum[i]!, spectrum[i + 1]!, kernelSpectrum[i]!, kernelSpectrum[i + 1]!];
      product[i] = a * c - b * d;
      product[i + 1] = -(a * d + b * c);
    }
    fft.transform(out, product);
    for (let k = 0; k <= size / 2; k++) {
      const [re, im] = [out[2 * k]! / length, -out[2 * k + 1]! / length];
      const [c, s] = [chirp[2 * k]!, chirp[2 * k + 1]!];
      out[2 * k] = re * c - im * s;
      out[2 * k + 1] = re * s + im * c;
    }
    return out;
  };
}
