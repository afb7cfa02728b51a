/** Records the microphone as a WAV file: one channel, 16 bits. */

/** Why nothing can be recorded here, or undefined. */
export function recordingProblem() {
  if (navigator.mediaDevices !== undefined && "AudioWorkletNode" in window) return undefined;
  return "The browser lends its microphone only to pages from this machine or over https.";
}

/**
 * @param onLoudness hears the loudest sample of each piece, 0 to 1
 * @returns stop: ends the recording and gives the file
 */
export async function startRecording(onLoudness) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  const context = new AudioContext();
  const pieces = [];
  try {
    await context.audioWorklet.addModule("recorder_worklet.js");
    const recorder = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
    recorder.port.onmessage = ({ data }) => {
      pieces.push(data);
      onLoudness(data.reduce((loudest, value) => Math.max(loudest, Math.abs(value)), 0));
    };
    context.createMediaStreamSource(stream).connect(recorder);
  } catch (error) {
    for (const track of stream.getTracks()) track.stop();
    await context.close();
    throw error;
  }
  return async () => {
    for (const track of stream.getTracks()) track.stop();
    await context.close();
    return new File([encodeWav(pieces, context.sampleRate)], "recording.wav", { type: "audio/wav" });
  };
}

function encodeWav(pieces, sampleRate) {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * length));
  const text = (at, letters) =>
    [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // one channel
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 2 * sampleRate, true);
  view.setUint16(32, 2, true); // bytes of a sample
  view.setUint16(34, 16, true); // bits of a sample
  text(36, "data");
  view.setUint32(40, 2 * length, true);
  let at = 44;
  for (const piece of pieces) {
    for (const value of piece) {
      view.setInt16(at, Math.round(32767 * Math.min(1, Math.max(-1, value))), true);
      at += 2;
    }
  }
  return view.buffer;
}
