// A plain TCP relay in front of the server under test that counts bytes and connections and notes requests' methods:
// what went over the wire, whatever the client library says about itself.

import { connect, createServer } from "node:net";
import { once } from "node:events";
import { expectTrue } from "./cases.mjs";

const H2_PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const HEADERS_FRAME = 1;
const PADDED = 0x08;
const PRIORITY = 0x20;
// RFC 7541, appendix A: the static table's entries 2 and 3.
const HPACK_METHODS = new Map([
  [0x82, "GET"],
  [0x83, "POST"],
]);

/** Relays every connection to 127.0.0.1:`port`. */
export class Tap {
  #server;
  #sockets = new Set();

  static async open(port) {
    const tap = new Tap();
    tap.#server = createServer((client) => tap.#relay(client, connect(port, "127.0.0.1")));
    tap.#server.listen(0, "127.0.0.1");
    await once(tap.#server, "listening");
    tap.url = `http://127.0.0.1:${tap.#server.address().port}`;
    tap.reset();
    return tap;
  }

  /** Forgets what was seen so far. */
  reset() {
    /** Bytes from the clients, and to them. */
    this.sent = 0;
    this.received = 0;
    /** Methods of the requests over HTTP/1.1 and HTTP/2. */
    this.methods = [];
    /** Connections opened. */
    this.connections = 0;
  }

  close() {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #relay(client, server) {
    this.connections += 1;
    const methods = methodReader((method) => this.methods.push(method));
    client.on("data", (chunk) => {
      this.sent += chunk.length;
      methods(chunk);
    });
    server.on("data", (chunk) => (this.received += chunk.length));
    for (const [from, to] of [
      [client, server],
      [server, client],
    ]) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }
}

/** Fails the case unless `bytes` is well below (gzip) or not below (plain) the payload's size. */
export function expectOnWire(compressed, bytes, payload, what) {
  const asExpected = compressed ? bytes < payload / 3 : bytes >= payload;
  expectTrue(asExpected, `${what}: expected ${compressed ? "gzip of" : "all of"} ${payload} bytes, got ${bytes} bytes`);
}

/** Takes a connection's bytes in pieces and reports every request's method. */
function methodReader(report) {
  let buffer = Buffer.alloc(0);
  let version;
  return (chunk) => {
    buffer = Buffer.concat([buffer, chunk]);
    if (buffer.length < H2_PREFACE.length) return;
    version ??= buffer.subarray(0, H2_PREFACE.length).equals(H2_PREFACE) ? 2 : 1;
    if (version === 1) buffer = readHttp1(buffer, report);
    if (version === 2) buffer = readHttp2(buffer, report);
  };
}

function readHttp1(buffer, report) {
  const text = buffer.toString("latin1");
  let end = 0;
  for (const line of text.matchAll(/([A-Z]+) \/\S* HTTP\/1\.1\r\n/g)) {
    report(line[1]);
    end = line.index + line[0].length;
  }
  return buffer.subarray(end);
}

function readHttp2(buffer, report) {
  let at = buffer.subarray(0, H2_PREFACE.length).equals(H2_PREFACE) ? H2_PREFACE.length : 0;
  while (buffer.length >= at + 9) {
    const length = buffer.readUIntBE(at, 3);
    if (buffer.length < at + 9 + length) break;
    if (buffer[at + 3] === HEADERS_FRAME) report(http2Method(buffer[at + 4], buffer.subarray(at + 9, at + 9 + length)));
    at += 9 + length;
  }
  return buffer.subarray(at);
}

function http2Method(flags, payload) {
  const start = (flags & PADDED ? 1 : 0) + (flags & PRIORITY ? 5 : 0);
  const first = payload.subarray(start, start + 4).find((byte) => HPACK_METHODS.has(byte));
  return HPACK_METHODS.get(first) ?? `HPACK ${payload.subarray(start, start + 4).toString("hex")}`;
}
