// A file that people choose, as samples. Knows the browser's decoder; knows no page.

import { RATE } from "./sound.js";

// Gives what openMicrophone gives, with all `samples` at 16 kHz. The messages of errors are shown to people.
export async function openRecording(file) {
  const context = new OfflineAudioContext(1, 1, RATE);
  let sound;
  try {
    sound = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name} is no recording that this browser reads. Try WAV, MP3, FLAC, Ogg or M4A.`);
  }
  const samples = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel++) {
    sound.getChannelData(channel).forEach((sample, i) => (samples[i] += sample / sound.numberOfChannels));
  }
  return { rate: RATE, samples, name: file.name, close: () => {} };
}
