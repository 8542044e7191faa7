// Starts the server under test and speaks its contract: JSON commands on stdin, one answer a line on stdout.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { CaseFailed, within } from "./cases.mjs";

const ANSWER_MS = 10_000;

/** One server under test, with the whole server ("") SERVING. */
export class Subject {
  #process;
  #lines;
  #exited;

  /** Starts it with further command-line arguments. */
  static async start(...args) {
    const subject = new Subject(args);
    subject.address = (await subject.#answer()).listening;
    subject.port = Number(subject.address.split(":").at(-1));
    subject.url = `http://${subject.address}`;
    return subject;
  }

  constructor(args) {
    const adapter = process.env.ADAPTER ?? "hyper";
    const all = ["--adapter", adapter, "--listen", "127.0.0.1:0", ...args];
    this.#process = spawn(process.env.SUBJECT, all, { stdio: ["pipe", "pipe", "inherit"] });
    this.#exited = new Promise((resolve, reject) => {
      this.#process.on("exit", resolve);
      this.#process.on("error", reject);
    });
    this.#exited.catch(() => {});
    this.#process.stdin.on("error", () => {});
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** Gives one command and returns once it took effect: `tell({ set: { "svc": "SERVING" } })`. */
  async tell(command) {
    this.#process.stdin.write(`${JSON.stringify(command)}\n`);
    const answer = await this.#answer();
    if (answer.ok !== true) {
      throw new CaseFailed(`subject, ${JSON.stringify(command)}: expected ok, got ${JSON.stringify(answer)}`);
    }
  }

  /** Ends it; returns once it is gone. */
  async stop() {
    this.#process.stdin.end();
    const stuck = setTimeout(() => this.#process.kill("SIGKILL"), ANSWER_MS);
    await this.#exited;
    clearTimeout(stuck);
  }

  async #answer() {
    const line = await within(ANSWER_MS, this.#lines.next(), "the subject's answer");
    if (line.done) throw new CaseFailed(`subject: expected an answer, got its end: exit status ${await this.#exited}`);
    return JSON.parse(line.value);
  }
}

/** Runs `body` with a server of its own, which is gone afterwards. */
export async function withSubject(args, body) {
  const subject = await Subject.start(...args);
  try {
    return await body(subject);
  } finally {
    await subject.stop();
  }
}
