// The two builds of ONNX Runtime Web that the page carries, and sessions in them.
//
// The plain one computes on the processor in every browser. The other also reaches WebGPU and WebNN, and needs a
// browser whose WebAssembly can wait for promises (JSPI); it is unpacked only if one of these is asked for.

import { Lzma } from "./lzma.js";

const SLICE = 2 ** 20; // bytes unpacked at a time, so that the page never stands still
const CONTEXT_BITS = 4;
const BUILDS = { wasm: 0, webgpu: 1, webnn: 1 };

export const PROVIDERS = Object.keys(BUILDS);

/** What keeps a provider from working here; empty if nothing does. */
export async function whyNot(provider) {
  if (provider === "wasm") return globalThis.WebAssembly ? "" : "this browser has no WebAssembly";
  if (provider === "webgpu") {
    if (!navigator.gpu) return "this browser has no WebGPU";
    if (!(await navigator.gpu.requestAdapter())) return "the browser has WebGPU but finds no adapter for it";
  } else {
    if (!navigator.ml) return "this browser has no WebNN";
    try {
      await navigator.ml.createContext();
    } catch (error) {
      return `the browser has WebNN but makes no context: ${error.message}`;
    }
  }
  return "Suspending" in WebAssembly ? "" : "this browser's WebAssembly cannot wait for promises (JSPI)";
}

export class Engine {
  /** `model` and `packed` are bytes; `parts` are the sizes of script and binary of each build, in order. */
  constructor({ model, packed, parts }) {
    this.model = model;
    this.parts = parts;
    this.lzma = new Lzma(packed, parts.flat().reduce((sum, size) => sum + size, 0), CONTEXT_BITS);
    this.libraries = [];
    this.sessions = {};
  }

  /** A session on `provider`, made once. */
  open(provider) {
    this.sessions[provider] ??= this.create(provider).catch((error) => {
      delete this.sessions[provider];
      throw error;
    });
    return this.sessions[provider];
  }

  async create(provider) {
    const reason = await whyNot(provider);
    if (reason) throw new Error(reason);
    const ort = await this.library(BUILDS[provider]);
    const options = {
      executionProviders: [provider === "webnn" ? { name: provider, deviceType: "cpu" } : provider],
      // WebNN compiles for one shape.
      ...(provider === "webnn" && { freeDimensionOverrides: { batch: 1 } }),
    };
    const nodes = await placement(ort, this.model, options);
    const session = await ort.InferenceSession.create(this.model, options);
    return new Session(ort, session, nodes, provider === "webnn" ? 1 : Infinity);
  }

  library(build) {
    this.libraries[build] ??= this.load(build);
    return this.libraries[build];
  }

  async load(build) {
    const sizes = this.parts.flat();
    const before = sizes.slice(0, 2 * build).reduce((sum, size) => sum + size, 0);
    const [script, binary] = this.parts[build];
    await this.unpack(before + script + binary);
    const bytes = this.lzma.output.subarray(before, before + script + binary);
    const url = URL.createObjectURL(new Blob([bytes.subarray(0, script)], { type: "text/javascript" }));
    const ort = await import(url);
    URL.revokeObjectURL(url);
    ort.env.wasm.wasmBinary = bytes.slice(script).buffer;
    ort.env.wasm.numThreads = 1; // more need a server that isolates the page
    return ort;
  }

  async unpack(end) {
    // One after the other: two that unpack at a time would each go on where the other stands.
    this.unpacking = (this.unpacking ?? Promise.resolve()).then(async () => {
      while (this.lzma.done < end) {
        this.lzma.decode(Math.min(end, this.lzma.done + SLICE));
        await new Promise((resolve) => setTimeout(resolve));
      }
    });
    await this.unpacking;
  }
}

/** How many nodes each provider is given, by its own name, as ONNX Runtime tells only its log. */
async function placement(ort, model, options) {
  const nodes = {};
  const methods = ["log", "info", "warn", "error", "debug"];
  const before = Object.fromEntries(methods.map((name) => [name, console[name]]));
  const listen = (...words) => {
    const found = /placed on \[(\w+)\]. Number of nodes: (\d+)/.exec(words.join(" "));
    if (found) nodes[found[1]] = Number(found[2]);
  };
  methods.forEach((name) => (console[name] = listen));
  try {
    await (await ort.InferenceSession.create(model, { ...options, logSeverityLevel: 0 })).release();
  } finally {
    Object.assign(console, before);
  }
  return nodes;
}

/** A model on one provider; it computes one thing at a time. */
class Session {
  constructor(ort, session, nodes, largestBatch) {
    this.ort = ort;
    this.session = session;
    this.nodes = nodes;
    this.largestBatch = largestBatch;
    this.last = Promise.resolve();
  }

  /** Logits float32[count × classes] of `pixels` uint8[count × side × side]. */
  run(pixels, count, side) {
    return this.inTurn(async () => {
      const logits = [];
      for (const feeds of this.feeds(pixels, count, side)) logits.push(...(await this.answer(feeds)));
      return Float32Array.from(logits);
    });
  }

  /** Milliseconds that `calls` calls on `pixels` take, all of them together. */
  time(calls, pixels, count, side) {
    return this.inTurn(async () => {
      const feeds = this.feeds(pixels, count, side);
      const start = performance.now();
      for (let call = 0; call < calls; call++) for (const each of feeds) await this.session.run(each);
      return performance.now() - start;
    });
  }

  feeds(pixels, count, side) {
    const batch = Math.min(count, this.largestBatch);
    const [name] = this.session.inputNames;
    const feeds = [];
    for (let first = 0; first < count; first += batch) {
      const size = Math.min(batch, count - first);
      const part = pixels.slice(first * side * side, (first + size) * side * side);
      feeds.push({ [name]: new this.ort.Tensor("uint8", part, [size, side, side]) });
    }
    return feeds;
  }

  async answer(feeds) {
    return (await this.session.run(feeds))[this.session.outputNames[0]].data;
  }

  inTurn(work) {
    const turn = this.last.then(work);
    this.last = turn.catch(() => {});
    return turn;
  }
}
