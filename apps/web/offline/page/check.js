// Runs before the page's modules, which a page of a file or an old browser does not run at all: says why, and what to do.

(function () {
  // A function that makes a vector and gives nothing, in the bytes of WebAssembly.
  var simd = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 65, 0, 253, 15, 26, 11];
  var words = null;
  if (location.protocol === "file:")
    words = "A browser runs this page only from a web server. In its folder: python3 -m http.server 8000 --bind 127.0.0.1, then open http://localhost:8000";
  else if (!window.WebAssembly || !WebAssembly.validate(new Uint8Array(simd)))
    words = "This browser has no WebAssembly with SIMD, which the model needs. Use Chrome or Edge 91, Firefox 89, Safari 16.4 or newer.";
  else if (!window.AudioWorkletNode && window.isSecureContext)
    words = "This browser gives pages no samples of its microphone. Use Chrome or Edge 91, Firefox 89, Safari 16.4 or newer.";
  if (words === null) return;
  var message = document.getElementById("message");
  message.textContent = words;
  message.hidden = false;
  document.getElementById("hint").hidden = true;
  document.getElementById("loading").textContent = "";
  document.getElementById("start").disabled = document.getElementById("file").disabled = true;
  window.stopped = true; // app.js then starts nothing
})();
