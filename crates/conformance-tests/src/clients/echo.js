// Connects, sends a message, and reports what happens: one JSON object a line.

const WebSocket = require("ws");

const [url, message] = process.argv.slice(2);

function report(event, details) {
  console.log(JSON.stringify({ event, ...details }));
}

const socket = new WebSocket(url);
socket.on("open", () => {
  report("open");
  socket.send(message);
});
socket.on("message", (data) => report("message", { data: data.toString() }));
socket.on("close", (code, reason) => report("closed", { code, reason: reason.toString() }));
socket.on("unexpected-response", (_request, answer) => {
  let body = "";
  answer.on("data", (part) => (body += part));
  answer.on("end", () => {
    const retry_after = answer.headers["retry-after"] ?? null;
    report("refused", { status: answer.statusCode, retry_after, body });
    process.exit();
  });
});
