// Runs the guides' `stayConnected`, and reports what happens: one JSON object a line.

const { readFileSync } = require("fs");
const Ws = require("ws");

const [file, url] = process.argv.slice(2);

function report(event, details) {
  console.log(JSON.stringify({ event, ...details }));
}

// Node has a WebSocket of its own from 22 on. This one throws where nobody listens for errors, which
// that of browsers does not.
globalThis.WebSocket = class extends Ws {
  constructor(url) {
    super(url);
    this.on("error", () => {});
  }
};

const source = encodeURIComponent(readFileSync(file, "utf8"));
import(`data:text/javascript,${source}`).then(({ stayConnected }) =>
  stayConnected(url, {
    opened(socket) {
      report("open");
      socket.send("hello");
    },
    heard: (data) => report("message", { data }),
    waiting: (milliseconds, code) => report("waiting", { milliseconds, code }),
    ended: (code, reason) => report("closed", { code, reason }),
  }),
);
