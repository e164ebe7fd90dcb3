// The microphone in short blocks, at its own sample rate. Knows the browser's audio; knows no page and no network.

const WORDS = {
  NotAllowedError: "The microphone was refused. Allow it for this page (the icon beside the address), then press Start.",
  NotFoundError: "No microphone was found. Plug one in, then press Start.",
  NotReadableError: "The microphone is in use by another program or was switched off. Make it available, then press Start.",
};
const INSECURE =
  "Browsers give the microphone only to pages of this machine or over https. " +
  "Open the page as http://localhost, or forward the port: ssh -L 8765:localhost:8765 server.";

// Gives {rate, close}. onBlock(Float32Array) for each block of blockS seconds; onLost(words) when the microphone is gone. The messages of errors
// are shown to people.
export async function openMicrophone(onBlock, onLost, blockS = 0.1) {
  if (!navigator.mediaDevices) throw new Error(INSECURE);
  const media = await listen();
  const context = await play(media, onBlock, blockS);
  const close = () => {
    media.getTracks().forEach((track) => track.stop());
    return context.close();
  };
  media.getTracks()[0].onended = () => onLost("The microphone is gone. Plug it in again, then press Start.");
  return { rate: context.sampleRate, close };
}

async function listen() {
  // Filters made for calls remove words too; the model was trained with noise.
  const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new Error(WORDS[error.name] ?? `The microphone could not be opened (${error.message}).`);
  }
}

async function play(media, onBlock, blockS) {
  const context = new AudioContext(); // Firefox takes a microphone only at its own rate; the server resamples
  const source = context.createMediaStreamSource(media);
  await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
  const blocks = new AudioWorkletNode(context, "blocks", { channelCount: 1, channelCountMode: "explicit", processorOptions: { blockS } });
  blocks.port.onmessage = ({ data }) => onBlock(data);
  source.connect(blocks).connect(context.destination); // its output is silence; unconnected nodes may not run
  context.resume();
  return context;
}
