/** How published encoders of speech want their sound, by the `preprocessor_config.json` beside them. */
import { ConfigurationError, describeChoices } from "../../../errors.js";
import type { SpeechFrontEnd } from "./speech_front_end.js";
import { WaveformFrontEnd } from "./waveform_front_end.js";
import { WhisperFrontEnd } from "./whisper_front_end.js";

type Config = Readonly<Record<string, unknown>>;

/** By `feature_extractor_type`; the defaults are those of Hugging Face's classes. */
const frontEnds: Record<string, (config: Config) => SpeechFrontEnd> = {
  Wav2Vec2FeatureExtractor: ({ sampling_rate: rate = 16000, do_normalize: normalize = true }) =>
    new WaveformFrontEnd({ sampleRate: Number(rate), normalize: normalize !== false }),
  MoonshineFeatureExtractor: ({ sampling_rate: rate = 16000 }) =>
    new WaveformFrontEnd({ sampleRate: Number(rate), normalize: false }),
  WhisperFeatureExtractor: (config) => {
    const { sampling_rate: rate = 16000, n_fft: nFft = 400, hop_length: hop = 160 } = config;
    const { feature_size: nMels = 80, chunk_length: seconds = 30 } = config;
    const { n_samples: samples = Number(seconds) * Number(rate) } = config;
    return new WhisperFrontEnd({
      sampleRate: Number(rate),
      nFft: Number(nFft),
      hopLength: Number(hop),
      nMels: Number(nMels),
      samples: Number(samples),
    });
  },
};

/**
 * @param text of `preprocessor_config.json`
 * @param source what it is called in errors
 * @throws ConfigurationError `ERR_BACKBONE_FOLDER` for a file that is no JSON, or names another kind of features
 */
export function pretrainedFrontEnd(text: string, source: string): SpeechFrontEnd {
  let config: Config;
  try {
    config = JSON.parse(text) as Config;
  } catch (cause) {
    throw new ConfigurationError("ERR_BACKBONE_FOLDER", `${source} is not valid JSON.`, { cause });
  }
  const type = String(config.feature_extractor_type);
  if (Object.hasOwn(frontEnds, type)) return frontEnds[type]!(config);
  throw new ConfigurationError(
    "ERR_BACKBONE_FOLDER",
    `${source} says that sound is prepared by ${JSON.stringify(config.feature_extractor_type)}, which is not known here. ` +
      describeChoices(type, Object.keys(frontEnds)),
  );
}
