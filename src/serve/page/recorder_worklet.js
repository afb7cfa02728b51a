/** Hands what the microphone hears to the page, on the thread of sound. */
class Recorder extends AudioWorkletProcessor {
  process([[channel]]) {
    if (channel !== undefined) this.port.postMessage(channel.slice());
    return true;
  }
}
registerProcessor("recorder", Recorder);
