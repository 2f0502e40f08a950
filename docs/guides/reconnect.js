// A WebSocket that stays connected, and comes back where that makes sense. For browsers, and Node from 22 on.
//
//   import { stayConnected } from "./reconnect.js";
//
//   const link = stayConnected("ws://127.0.0.1:8080/ws", {
//     opened: (socket) => socket.send("hello"),
//     heard: (data) => console.log(data),
//     waiting: (milliseconds, code) => console.log(`closed with ${code}, again in ${milliseconds} ms`),
//     ended: (code, reason) => console.log(`closed with ${code} ${reason}, for good`),
//   });
//   // … and in the end: link.close();

// Milliseconds between two attempts, if the server does not say.
const FIRST = 500;
const LONGEST = 30_000;
// After a connection that lived so long, the next attempt is a first one.
const STABLE = 10_000;

// Going away, lost, failed, restarting, try again later, bad gateway. Behind all others coming back does
// not help: 1000 is the end, 1008 and the application's own 4xxx would be the same again.
const COME_BACK = [1001, 1006, 1011, 1012, 1013, 1014];

export function stayConnected(url, { opened, heard, waiting, ended }) {
  let socket;
  let timer;
  let failures = 0;

  function connect() {
    let since = Infinity;
    // A held client is connecting: no time limit of ours, the server has one.
    socket = new WebSocket(url);
    socket.onopen = () => {
      since = performance.now();
      opened?.(socket);
    };
    socket.onmessage = ({ data }) => heard?.(data, socket);
    socket.onclose = ({ code, reason }) => {
      if (!COME_BACK.includes(code)) {
        ended?.(code, reason);
        return;
      }
      if (performance.now() - since > STABLE) failures = 0;
      const milliseconds = pause(reason, failures++);
      timer = setTimeout(connect, milliseconds);
      waiting?.(milliseconds, code);
    };
  }

  connect();
  return {
    close() {
      clearTimeout(timer);
      socket.onclose = null;
      socket.close(1000);
    },
  };
}

function pause(reason, failures) {
  const asked = /^retry_after_ms=(\d+)$/.exec(reason);
  // Not before the time, and not all at the same moment.
  if (asked) return Math.round(asked[1] * (1 + 0.2 * Math.random()));
  return Math.round(Math.random() * Math.min(LONGEST, FIRST * 2 ** failures));
}
