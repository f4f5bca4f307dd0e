// The two buttons under "Proof" and "Speed".

import { measure } from "./benchmark.js";
import { PROVIDERS, whyNot } from "./engine.js";
import { selftest } from "./selftest.js";

const NAMES = { wasm: "Processor (WebAssembly)", webgpu: "WebGPU", webnn: "WebNN" };
const MARKS = new Map([
  [true, "holds"],
  [false, "fails"],
  [null, "not checked"],
]);

export function offerSelftest({ about, engine, packed, find }) {
  find("selftest").addEventListener("click", async ({ currentTarget: button }) => {
    button.disabled = true;
    find("verdict").textContent = "Checking…";
    const checks = await selftest({ about, engine, packed });
    find("checks").replaceChildren(...checks.map(checked));
    const failed = checks.filter(({ passed }) => passed === false).length;
    find("verdict").textContent = failed ? `${failed} of ${checks.length} checks fail.` : "Nothing has changed.";
    find("verdict").className = failed ? "bad" : "good";
    button.disabled = false;
    button.focus();
  });
}

function checked({ name, passed, found }) {
  const item = document.createElement("li");
  item.className = { true: "good", false: "bad", null: "" }[passed];
  const mark = item.appendChild(document.createElement("strong"));
  mark.textContent = `${name}: ${MARKS.get(passed)}.`;
  item.append(` ${found}`);
  return item;
}

export function offerBenchmark({ about, engine, find }) {
  const button = find("benchmark");
  const words = button.textContent;
  let isRunning = false;
  button.addEventListener("click", async () => {
    isRunning = !isRunning;
    if (!isRunning) return;
    button.textContent = "Stop";
    find("timings").replaceChildren();
    for (const provider of PROVIDERS) {
      find("progress").textContent = `Measuring ${NAMES[provider]}…`;
      const timing = await timed(provider, { about, engine, find, stopped: () => !isRunning });
      if (!isRunning) break;
      find("timings").append(line(NAMES[provider], timing));
    }
    find("progress").textContent = isRunning ? "Done." : "Stopped.";
    find("meter").value = 0;
    button.textContent = words;
    isRunning = false;
  });
}

/** What to show of a provider: a figure, and words about it; of one that does not work only words. */
async function timed(provider, { about, engine, find, stopped }) {
  const reason = await whyNot(provider);
  if (reason) return { words: reason };
  try {
    const session = await engine.open(provider);
    const progress = (share) => (find("meter").value = share);
    const pixels = about.golden.pixels.slice(0, about.side ** 2);
    const found = await measure(session, pixels, about.side, { progress, stopped });
    if (!found) return {};
    const { median, p90, spread, calls, readings } = found;
    const nodes = Object.entries(session.nodes).map(([name, count]) => `${count} nodes on ${shortened(name)}`);
    const width = `spread ± ${(100 * spread).toFixed(1)} %`;
    return {
      figure: `${ms(median)} ms`,
      words: `90th percentile ${ms(p90)} ms, ${width}, ${readings} readings of ${calls} calls; ${nodes.join(", ")}`,
    };
  } catch (error) {
    return { words: error.message };
  }
}

function shortened(name) {
  return name.replace("ExecutionProvider", "");
}

function ms(time) {
  return time.toPrecision(3);
}

function line(name, { figure = "–", words }) {
  const item = document.createElement("li");
  for (const [kind, text] of [
    ["name", name],
    ["figure", figure],
    ["words", words],
  ]) {
    const part = item.appendChild(document.createElement("span"));
    part.className = kind;
    part.textContent = text;
  }
  return item;
}
