// Runs a peer's cases one after the other and prints the lines that tests/interop/run.sh counts.

/** What was expected did not come; the message says both. */
export class CaseFailed extends Error {}

/** Fails the case unless the two are equal; objects are compared key by key, in any order. */
export function expectEqual(expected, got, what) {
  if (canonical(expected) !== canonical(got)) {
    throw new CaseFailed(`${what ? `${what}: ` : ""}expected ${shown(expected)}, got ${shown(got)}`);
  }
}

/** Fails the case unless the condition holds; `failure` says what was expected and what came. */
export function expectTrue(condition, failure) {
  if (!condition) throw new CaseFailed(failure);
}

/** Fails the case unless the promise rejects; returns what it rejected with. */
export async function expectRejects(promise, what) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new CaseFailed(`${what}: expected an error, got ${shown(value)}`);
}

/** Rejects if the promise has not settled in time. */
export async function within(milliseconds, promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(
      () => reject(new CaseFailed(`${what}: expected within ${milliseconds} ms, got nothing`)),
      milliseconds,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** The cases of one peer. */
export class Cases {
  static LIMIT_MS = 15_000;

  #peer;
  #run = 0;
  #failed = 0;

  constructor(peer) {
    this.#peer = peer;
    process.on("uncaughtException", (error) => {
      this.#report("between the cases", error);
      process.exit(1);
    });
  }

  /** Runs one case and prints its line. */
  async case(name, body) {
    this.#run += 1;
    try {
      await within(Cases.LIMIT_MS, body(), "end of the case");
      this.#print("ok", name);
    } catch (error) {
      this.#report(name, error);
    }
  }

  /** Ends the process: with 1 if a case failed or none was run. Clients may still hold connections open. */
  exit() {
    if (this.#run === 0) this.#print("FAIL", "cases", "expected some, got none");
    process.exit(this.#failed > 0 || this.#run === 0 ? 1 : 0);
  }

  #report(name, error) {
    this.#failed += 1;
    if (!(error instanceof CaseFailed)) console.error(error);
    this.#print("FAIL", name, error instanceof CaseFailed ? error.message : `expected no error, got ${error}`);
  }

  #print(outcome, name, detail) {
    const text = `${outcome} ${this.#peer}: ${name}${detail ? `: ${detail}` : ""}`;
    console.log(text.replace(/\s+/g, " "));
  }
}

function shown(value) {
  const text = canonical(value) ?? String(value);
  return text.length > 300 ? `${text.slice(0, 300)}... (${text.length} characters)` : text;
}

function canonical(value) {
  return JSON.stringify(value, (_, part) =>
    part !== null && typeof part === "object" && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
