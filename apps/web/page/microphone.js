// The microphone, opened and heard in blocks of 100 ms at 16 kHz. Knows the browser's audio; knows no page and no network.

const WORDS = {
  NotAllowedError: "The microphone was refused. Allow it for this page (the sign beside the address), then press Start.",
  NotFoundError: "No microphone was found. Plug one in, then press Start.",
  NotReadableError: "The microphone is in use by another program or was switched off. Free it, then press Start.",
};
const INSECURE =
  "Browsers give the microphone only to pages of this machine or over https. " +
  "Open the page as http://localhost, or forward the port: ssh -L 8765:localhost:8765 server.";

// onBlock(Float32Array of 1600 samples); onLost(words) when the microphone goes away. Errors hold words for people.
export async function openMicrophone(onBlock, onLost) {
  if (!navigator.mediaDevices) throw new Error(INSECURE);
  const media = await listen();
  const context = await play(media, onBlock);
  const close = () => {
    media.getTracks().forEach((track) => track.stop());
    return context.close();
  };
  media.getTracks()[0].onended = () => onLost("The microphone went away. Plug it in again, then press Start.");
  return { close };
}

async function listen() {
  // What cleans up calls also swallows words; the model was trained on noise.
  const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new Error(WORDS[error.name] ?? `The microphone could not be opened (${error.message}).`);
  }
}

async function play(media, onBlock) {
  let context = new AudioContext({ sampleRate: 16000 });
  let source;
  try {
    source = context.createMediaStreamSource(media);
  } catch (error) {
    if (error.name !== "NotSupportedError") throw error;
    await context.close(); // Firefox takes a microphone only at its own rate: the worklet resamples
    context = new AudioContext();
    source = context.createMediaStreamSource(media);
  }
  await context.audioWorklet.addModule("worklet.js");
  const blocks = new AudioWorkletNode(context, "blocks", { channelCount: 1, channelCountMode: "explicit" });
  blocks.port.onmessage = ({ data }) => onBlock(data);
  source.connect(blocks).connect(context.destination); // its output is silence; unconnected nodes may not run
  context.resume();
  return context;
}
