// The microphone's samples in blocks of blockS seconds, at the rate of the audio context. Knows samples; knows no page and no network.

class Blocks extends AudioWorkletProcessor {
  constructor({ processorOptions: { blockS } }) {
    super();
    this.block = new Float32Array(Math.round(sampleRate * blockS));
    this.filled = 0;
  }

  process([[channel]]) {
    if (!channel) return true; // no source yet
    for (const sample of channel) {
      this.block[this.filled++] = sample;
      if (this.filled === this.block.length) {
        this.port.postMessage(this.block.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("blocks", Blocks);
