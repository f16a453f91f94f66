// One TCP connection with a checksum at both ends; plain JavaScript, because it starts faster in a namespace.
//
//   stream.mjs serve ADDRESS PORT                    answers each connection with the SHA-256 of what came; until SIGTERM
//   stream.mjs send ADDRESS PORT OCTETS [OCTETS/s]   sends random octets, compares the answer; prints one JSON line
import { createHash, randomBytes } from "node:crypto";
import { connect, createServer } from "node:net";

const [mode, address, port, octets, rate] = process.argv.slice(2);

if (mode === "serve") {
  createServer({ allowHalfOpen: true }, (socket) => {
    const hash = createHash("sha256");
    socket.on("data", (chunk) => hash.update(chunk));
    socket.on("end", () => socket.end(hash.digest("hex")));
    socket.on("error", (error) => console.error(error.message));
  }).listen(Number(port), address, () => console.log("ready"));
} else {
  const total = Number(octets);
  const chunk = 16384;
  const hash = createHash("sha256");
  const began = performance.now();
  let sent = 0;
  let answer = "";
  const socket = connect(Number(port), address);
  const fail = (reason) => {
    console.log(JSON.stringify({ ok: false, sent, reason }));
    process.exit(1);
  };
  const more = () => {
    while (sent < total) {
      const due = rate === undefined ? total : ((performance.now() - began) / 1000) * Number(rate);
      if (sent > due) return void setTimeout(more, 20);
      const data = randomBytes(Math.min(chunk, total - sent));
      hash.update(data);
      sent += data.length;
      if (!socket.write(data)) return void socket.once("drain", more);
    }
    socket.end();
  };
  socket.on("connect", more);
  socket.on("error", (error) => fail(error.message));
  socket.on("data", (data) => (answer += data));
  socket.on("end", () => {
    const seconds = (performance.now() - began) / 1000;
    if (sent !== total || answer !== hash.digest("hex")) fail(`answer "${answer}"`);
    console.log(JSON.stringify({ ok: true, sent, seconds, sha256: answer }));
    process.exit(0);
  });
}
