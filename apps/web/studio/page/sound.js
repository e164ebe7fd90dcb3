// Sound in and out: a recording or a file as samples at 16 kHz, and samples played. Knows the browser's audio; knows no page.

import { openMicrophone } from "../microphone.js";

export const RATE_HZ = 16000;

// A recording in progress; await stop() for its samples.
export async function record(onLost) {
  const blocks = [];
  const microphone = await openMicrophone((block) => blocks.push(block), onLost);
  return {
    async stop() {
      await microphone.close();
      const length = blocks.reduce((sum, block) => sum + block.length, 0);
      if (!length) return new Float32Array();
      const whole = new AudioBuffer({ length, sampleRate: microphone.rate });
      blocks.reduce((at, block) => (whole.copyToChannel(block, 0, at), at + block.length), 0);
      return resampled(whole);
    },
  };
}

// The samples of a sound file that the browser can read.
export async function decoded(file) {
  const context = new OfflineAudioContext(1, 1, RATE_HZ);
  try {
    return resampled(await context.decodeAudioData(await file.arrayBuffer()));
  } catch {
    throw new Error(`${file.name} is no sound that this browser can read; save it as WAV, FLAC or MP3.`);
  }
}

async function resampled(sound) {
  const context = new OfflineAudioContext(1, Math.max(1, Math.ceil(sound.duration * RATE_HZ)), RATE_HZ);
  const source = new AudioBufferSourceNode(context, { buffer: sound });
  source.connect(context.destination);
  source.start();
  return (await context.startRendering()).getChannelData(0);
}

let playing = null;

// bytes: of a WAV file; or samples at RATE_HZ
export async function play(sound) {
  await playing?.close();
  playing = new AudioContext();
  let buffer;
  if (sound instanceof Float32Array) {
    buffer = new AudioBuffer({ length: sound.length, sampleRate: RATE_HZ });
    buffer.copyToChannel(sound, 0);
  } else buffer = await playing.decodeAudioData(sound.buffer.slice(0));
  const source = new AudioBufferSourceNode(playing, { buffer });
  source.connect(playing.destination);
  source.start();
}
