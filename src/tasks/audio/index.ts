/** Everything public of the tasks on sound. */
export { AudioClassifier, type AudioInput, type ClassifiedSegment } from "./audio_classifier.js";
export type { AudioExportOptions } from "./export_audio.js";
export type { AudioClassifierExportOptions } from "./export_audio_classifier.js";
export type { AudioClassifierOptions, AudioPredictOptions } from "./audio_classifier_options.js";
export { AudioClassificationData, type AudioBatch, type AudioRecord } from "./audio_classification_data.js";
export type {
  AudioClassificationDataOptions,
  AudioFilesOptions,
  AudioFoldersOptions,
  AudioTablesOptions,
  LabeledSounds,
} from "./audio_classification_data_options.js";
export type {
  AudioBackbone,
  FrozenAudioBackbone,
  TrainableAudioBackbone,
} from "./backbones/audio_backbone.js";
export {
  PretrainedSpeechRecognizer,
  type PretrainedPredictOptions,
  type PretrainedSpeechOptions,
  type PretrainedTranscription,
} from "./pretrained_speech_recognizer.js";
export { SpeechRecognizer, type SpeechRecognizerInput } from "./speech_recognizer.js";
export type {
  SpeechRecognizerOptions,
  StreamOptions,
  TranscriptionOptions,
} from "./speech_recognizer_options.js";
export {
  SpeechRecognitionData,
  type SkippedSound,
  type SpeechBatch,
  type SpeechPart,
  type SpeechPreprocessing,
} from "./speech_recognition_data.js";
export type {
  CommonVoiceOptions,
  PredictSounds,
  SpeechDatasetsOptions,
  SpeechFilesOptions,
  SpeechFoldersOptions,
  SpeechRecognitionDataOptions,
  SpeechTablesOptions,
  TranscribedFiles,
} from "./speech_recognition_data_options.js";
export type { MisheardSound, SpeechReport, SpeechReportPart } from "./speech_report.js";
export { SpeechStream, type StreamingTranscription } from "./speech_stream.js";
export type { ManySounds } from "./audio_files.js";
export type { BeamSearchOptions } from "./decoding/beam_search.js";
export type { DecodingOptions } from "./decoding/decode.js";
export { NGramLanguageModel, type NGramOptions } from "./decoding/ngram_language_model.js";
export type { RecognizedWord, Transcription } from "./decoding/words.js";
export { ConformerEncoder, type ConformerEncoderOptions } from "./encoders/conformer_encoder.js";
export { ConvGruEncoder, type ConvGruEncoderOptions } from "./encoders/conv_gru_encoder.js";
export type { Subsampling } from "./encoders/conv_subsampling.js";
export { availableSpeechEncoders, type SpeechEncoderName } from "./encoders/create_encoder.js";
export { OnnxSpeechEncoder } from "./encoders/onnx_speech_encoder.js";
export { loadSpeechEncoder, type SpeechEncoderFileOptions } from "./encoders/open_speech_encoder.js";
export { SpeechEncoder, type PaddedSequences } from "./encoders/speech_encoder.js";
export type { FeatureNormalization, FrontEndOptions } from "./features/front_end.js";
export { SpeechFrontEnd, type Waveforms } from "./features/speech_front_end.js";
export { MelSpectrogram, MFCC } from "./features/mel_layers.js";
// The backbones have options of that name, for hidden states.
export type { SpecAugmentOptions as SpectrogramMaskingOptions } from "./features/spec_augment.js";
export type { AlignmentStep, EditCounts } from "./metrics/edit_alignment.js";
export {
  characterErrorRate,
  describeUtterances,
  wordErrorRate,
  worstUtterances,
  type ErrorRate,
  type UtteranceErrors,
} from "./metrics/error_rates.js";
export type { TextNormalization } from "./transcripts/normalize.js";
export type { TranscriptTableOptions } from "./transcripts/tables.js";
export type { TranscribedDataset, TranscribedSound } from "./transcripts/transcribed_sounds.js";
export { Vocabulary, type TokenUnit } from "./transcripts/vocabulary.js";
export { voiceActivity, type VoiceActivityOptions, type VoiceSegment } from "./voice_activity.js";
