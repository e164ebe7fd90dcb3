// The microphone's samples at 16 kHz, in blocks of 100 ms. Knows samples; knows no page and no network.

const RATE_HZ = 16000;
const BLOCK_SAMPLES = RATE_HZ / 10;
const CROSSINGS = 24; // of the sinc on each side: the transition is a tenth of the band wide
const PASSED = 0.9; // of the lower Nyquist frequency; what lies above would fold back

const divisor = (a, b) => (b ? divisor(b, a % b) : a);

// Blackman windowed sinc around an input position `fraction` behind a sample; sums to 1.
function kernel(half, cutoff, fraction) {
  const taps = new Float32Array(2 * half).map((_, i) => {
    const x = i - half + 1 - fraction;
    const window = 0.42 + 0.5 * Math.cos((Math.PI * x) / half) + 0.08 * Math.cos((2 * Math.PI * x) / half);
    return window * (x === 0 ? cutoff : Math.sin(Math.PI * cutoff * x) / (Math.PI * x));
  });
  const sum = taps.reduce((a, b) => a + b, 0);
  return taps.map((tap) => tap / sum);
}

// Any whole rate to any other, as a stream; the ratio is exact, so nothing drifts.
class Resampler {
  constructor(from_hz, to_hz) {
    const common = divisor(from_hz, to_hz);
    this.step = from_hz / common; // in phases, for one sample out
    this.phases = to_hz / common;
    const half = Math.ceil(CROSSINGS * Math.max(1, from_hz / to_hz));
    const cutoff = PASSED * Math.min(1, to_hz / from_hz);
    this.kernels = Array.from({ length: this.phases }, (_, phase) => kernel(half, cutoff, phase / this.phases));
    this.input = new Float32Array(half - 1); // the first sample in is the center of the first kernel
    this.phase = 0;
  }

  push(samples) {
    const input = new Float32Array(this.input.length + samples.length);
    input.set(this.input);
    input.set(samples, this.input.length);
    const out = [];
    const length = this.kernels[0].length;
    let at = 0;
    while (at + length <= input.length) {
      const taps = this.kernels[this.phase];
      let sum = 0;
      for (let i = 0; i < length; i++) sum += taps[i] * input[at + i];
      out.push(sum);
      this.phase += this.step;
      at += Math.floor(this.phase / this.phases);
      this.phase %= this.phases;
    }
    this.input = input.subarray(at);
    return out;
  }
}

class Blocks extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = sampleRate === RATE_HZ ? null : new Resampler(sampleRate, RATE_HZ);
    this.block = new Float32Array(BLOCK_SAMPLES);
    this.filled = 0;
  }

  process([[channel]]) {
    if (!channel) return true; // no source yet
    for (const sample of this.resampler ? this.resampler.push(channel) : channel) {
      this.block[this.filled++] = sample;
      if (this.filled === BLOCK_SAMPLES) {
        this.port.postMessage(this.block.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("blocks", Blocks);
