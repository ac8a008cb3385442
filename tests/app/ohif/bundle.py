"""A bundle like OHIF's, of a few lines: it says in its page what has been loaded."""

from pathlib import Path

PAGE = """<!doctype html><html><head><meta content="/assets/icon.xml"><link rel="icon" href="/assets/icon.svg">
<script rel="preload" as="script" src="/app-config.js"></script><script>window.PUBLIC_URL="/"</script>
<script defer src="/app.bundle.0123456789abcdef.js"></script><link href="/app.bundle.css" rel="stylesheet"></head>
<body><a href="//elsewhere.example/">Elsewhere</a><div id="root"></div></body></html>"""
SCRIPT = """
var __webpack_require__ = {};
__webpack_require__.p = "/";
const say = (text) => { document.getElementById("root").textContent += text + "\\n"; };
say(`at ${window.PUBLIC_URL} under ${window.config.routerBasename}`);
const worker = new Worker(__webpack_require__.p + "worker.js");
worker.onmessage = ({ data }) => say(data);
WebAssembly.compileStreaming(fetch(__webpack_require__.p + "0123456789abcdef.wasm")).then(() => say("compiled"));
say(new Function("return 'evaluated'")());
fetch(window.config.dataSources[0].configuration.qidoRoot + "/studies").then((answer) => {
  if (answer.status === 401) window.config.httpErrorHandler(answer);
  else say("studies " + answer.status);
});
"""
WORKER = """
var __webpack_require__ = {};
__webpack_require__.p = "/";
postMessage(new Function("return 'decoded from ' + this")() && `decoded, more at ${__webpack_require__.p}`);
"""
STYLE = """@font-face { font-family: Own; src: url(/own.woff2) }
body { background: url(data:image/gif;base64,R0lGODlhAQABAAAAACw=) }"""
# The shortest module there is.
WASM = b"\0asm\1\0\0\0"


def written(folder: Path) -> Path:
    """The bundle in a new folder, beside a file that isn't part of it."""
    folder.mkdir()
    (folder.parent / "secret.js").write_text("outside")
    (folder / "index.html").write_text(PAGE)
    (folder / "app.bundle.0123456789abcdef.js").write_text(SCRIPT)
    (folder / "app-config.js").write_text("theirs")
    (folder / "worker.js").write_text(WORKER)
    (folder / "app.bundle.css").write_text(STYLE)
    (folder / "own.woff2").write_bytes(b"wOF2")
    (folder / "0123456789abcdef.wasm").write_bytes(WASM)
    (folder / "assets").mkdir()
    (folder / "assets" / "icon.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    return folder
