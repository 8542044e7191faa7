// Chromium, the pages it shows, and clients inside them in the shape of ../node/client.mjs.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { chromium } from "playwright-core";
import { Failure, Watch } from "../node/client.mjs";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Every client library and mode; Google's streams in text mode alone. */
export const LIBRARIES = [
  { label: "connect-web proto", library: "connect", options: { useBinaryFormat: true }, streams: true },
  { label: "connect-web json", library: "connect", options: { useBinaryFormat: false }, streams: true },
  { label: "connect-web grpc-web proto", library: "grpc-web", options: { useBinaryFormat: true }, streams: true },
  { label: "connect-web grpc-web json", library: "grpc-web", options: { useBinaryFormat: false }, streams: true },
  { label: "google grpc-web text", library: "google", options: { format: "text" }, streams: true },
  { label: "google grpc-web binary", library: "google", options: { format: "binary" }, streams: false },
];

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
}

/** Serves the page from a port, and so an origin, of its own. */
export async function serveOrigin() {
  const script = await readFile(new URL("gen/page.js", import.meta.url));
  const server = createServer((request, response) => {
    const page = request.url === "/";
    response.setHeader("content-type", page ? "text/html" : "text/javascript");
    response.end(page ? '<!doctype html><title>health</title><script src="/page.js"></script>' : script);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${server.address().port}`;
}

/** Shows the page of that origin, with a cache of its own. */
export async function openPage(browser, origin) {
  const page = await (await browser.newContext()).newPage();
  page.on("pageerror", (error) => console.error(`page: ${error}`));
  await page.goto(origin);
  return page;
}

/** A client for the shared cases, inside the page. */
export function clientIn(page, url, { library, options }) {
  const spec = { library, url, options };
  const run = async (operation, ...args) => {
    const outcome = await page.evaluate(([...call]) => window.health(...call), [operation, spec, ...args]);
    if (outcome.failure) throw new Failure(outcome.failure.code, outcome.failure.text);
    return outcome.value;
  };
  return {
    check: (service, callOptions) => run("check", service, callOptions),
    list: (callOptions) => run("list", callOptions),
    watch(service, callOptions) {
      const opened = run("watch", service, callOptions);
      const pull = async () => run("next", await opened);
      // Nobody waits for a cancellation, and the page may be closed before it arrives.
      const cancel = () => opened.then((watch) => run("cancel", watch)).catch(() => {});
      return new Watch(pull, cancel);
    },
  };
}
