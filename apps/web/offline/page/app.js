// Where the page begins, unless check.js has found that it cannot run here: the page of `unmask serve`, and recordings besides.

import { openRecording } from "./recording.js";

if (!window.stopped) {
  const { start } = await import("./captions.js");
  const input = document.getElementById("file");
  input.onchange = () => {
    const [file] = input.files;
    input.value = ""; // the same file may be chosen again
    if (file) start(() => openRecording(file), `Opening ${file.name}`);
  };
}
