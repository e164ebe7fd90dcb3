// Blocks of samples at any rate, as one stream at 16 kHz: a low-pass filter (sinc under a Hann window) at each sample that is
// wanted. Knows samples alone.

const RATE = 16000;
const ZEROS = 16; // crossings of zero on each side

export class Resampler {
  constructor(rate) {
    this.step = rate / RATE; // samples given for each one made
    this.cutoff = Math.min(1, 1 / this.step) * 0.95;
    this.reach = Math.ceil(ZEROS / this.cutoff);
    this.held = new Float32Array(this.reach); // silence before the first sample
    this.at = this.reach; // place of the next sample in `held`
  }

  push(block) {
    if (this.step === 1) return block;
    const held = new Float32Array(this.held.length + block.length);
    held.set(this.held);
    held.set(block, this.held.length);
    const made = [];
    for (; this.at + this.reach < held.length; this.at += this.step) made.push(this.sample(held));
    const gone = Math.max(0, Math.floor(this.at) - this.reach);
    this.held = held.slice(gone);
    this.at -= gone;
    return Float32Array.from(made);
  }

  // The samples that the filter still holds at the end of a stream.
  rest() {
    return this.push(new Float32Array(this.step === 1 ? 0 : this.reach));
  }

  sample(held) {
    let total = 0;
    for (let i = Math.ceil(this.at - this.reach); i <= this.at + this.reach; i++) {
      const x = this.cutoff * (i - this.at);
      const sinc = x ? Math.sin(Math.PI * x) / (Math.PI * x) : 1;
      total += (held[i] ?? 0) * sinc * (0.5 + 0.5 * Math.cos((Math.PI * (i - this.at)) / this.reach));
    }
    return this.cutoff * total;
  }
}
