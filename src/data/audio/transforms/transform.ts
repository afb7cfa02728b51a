/** What every change of a sound is. */
import type { Generator } from "../../../random.js";
import type { Waveform } from "../decode.js";

/** A transform as JSON: its name and the options it was made with. */
export interface AudioTransformDescription {
  name: string;
  options: object;
}

/** Changes a sound on the host. `apply` returns a new sound, or the same one untouched. */
export abstract class AudioTransform {
  /** As in the JSON description. */
  abstract readonly name: string;
  /** All options, defaults filled in. */
  abstract readonly options: object;

  abstract apply(sound: Waveform, random: Generator): Waveform;

  toJSON(): AudioTransformDescription {
    return { name: this.name, options: this.options };
  }
}
