// An application in Node: a page with a cookie, and a WebSocket with subprotocols and compression.
// The page's own reports are at /reports.

const http = require("http");
const { WebSocketServer } = require("ws");

const PAGE = `<!doctype html>
<script>
  const socket = new WebSocket("ws://" + location.host + "/socket", ["chat.v2", "chat.v1"]);
  const report = (body) => fetch("/reports", { method: "POST", body: JSON.stringify(body) });
  const long = "compress me ".repeat(20000);
  socket.onopen = () => socket.send(long);
  socket.onmessage = ({ data }) => {
    const { extensions, protocol } = socket;
    report({ ...JSON.parse(data), browser: { extensions, protocol } });
  };
  socket.onerror = () => report({ error: true });
</script>`;

const reports = [];

const server = http.createServer((request, answer) => {
  if (request.method === "POST") {
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", () => {
      reports.push(JSON.parse(body));
      answer.end();
    });
  } else if (request.url === "/reports") {
    const body = JSON.stringify(reports);
    answer.writeHead(200, { "content-length": body.length });
    answer.end(body);
  } else {
    answer.writeHead(200, { "content-type": "text/html", "set-cookie": ["a=1; HttpOnly", "b=2"] });
    answer.end(PAGE);
  }
});

const sockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: { threshold: 0 },
  handleProtocols: (offered) => (offered.has("chat.v1") ? "chat.v1" : false),
});

server.on("upgrade", (request, stream, head) => {
  if (request.url === "/forbidden") {
    stream.end("HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nmembers!\n");
    return;
  }
  sockets.handleUpgrade(request, stream, head, (socket) => {
    const read = stream.bytesRead;
    socket.on("message", (data) => {
      socket.send(
        JSON.stringify({
          length: data.length,
          compressed: stream.bytesRead - read < data.length / 10,
          extensions: socket.extensions,
          protocol: socket.protocol,
          cookie: request.headers.cookie,
        }),
      );
    });
  });
});

server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("listening"));
