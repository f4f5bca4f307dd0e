// Puts the parts together.

import { Answer } from "./answer.js";
import { offer } from "./api.js";
import { fromBase64 } from "./bytes.js";
import { Camera } from "./camera.js";
import { Easel } from "./easel.js";
import { Engine } from "./engine.js";
import { readPicture } from "./picture.js";
import { offerBenchmark, offerSelftest } from "./proof.js";
import { largest, softmax } from "./softmax.js";

const find = (id) => document.getElementById(id);
const BRUSHES = { fine: 10, medium: 24, broad: 44 };

function read() {
  const about = JSON.parse(find("about").textContent);
  about.golden.pixels = fromBase64(about.golden.pixels);
  const model = fromBase64(find("model").textContent);
  const packed = fromBase64(find("runtime").textContent);
  // The text has done its work; six megabytes need not stay.
  for (const id of ["model", "runtime"]) find(id).remove();
  return { about, packed, engine: new Engine({ model, packed, parts: about.parts }) };
}

function samples({ golden, labels, side }, choose) {
  golden.logits.forEach((_, index) => {
    const pixels = golden.pixels.slice(index * side * side, (index + 1) * side * side);
    const item = find("samples").appendChild(document.createElement("li"));
    const button = item.appendChild(document.createElement("button"));
    button.type = "button";
    button.ariaLabel = button.title = `Sample: ${labels[golden.labels[index]]}`;
    const picture = button.appendChild(document.createElement("canvas"));
    picture.width = picture.height = side;
    const image = new ImageData(side, side);
    pixels.forEach((level, place) => image.data.set([level, level, level, 255], 4 * place));
    picture.getContext("2d").putImageData(image, 0, 0);
    button.addEventListener("click", () => choose(pixels));
  });
}

function penOnScreen(easel) {
  const mark = find("pen");
  easel.canvas.addEventListener("pen", ({ detail: pen }) => {
    mark.hidden = !pen;
    if (!pen) return;
    mark.classList.toggle("down", pen.down);
    mark.style.left = `${(100 * pen.x) / easel.canvas.width}%`;
    mark.style.top = `${(100 * pen.y) / easel.canvas.height}%`;
  });
}

async function start() {
  const page = read();
  const { about, engine } = page;
  const { side, labels } = about;
  const note = (words) => (find("note").textContent = words);
  const [list, title, chip, spoken] = ["classes", "best", "chip", "spoken"].map(find);
  const answer = new Answer({ list, title, chip, spoken, labels });
  const brush = () => BRUSHES[document.querySelector("input[name=brush]:checked").value];
  let session = null;
  let isAsked = false;
  const classify = () => {
    if (isAsked || !session) return;
    isAsked = true;
    // At most once a frame, and with whatever is on the easel then.
    requestAnimationFrame(async () => {
      isAsked = false;
      if (easel.empty) return answer.show(null);
      try {
        answer.show(softmax(await session.run(easel.pixels(), 1, side)));
      } catch (error) {
        note(`The model failed: ${error.message}`);
      }
    });
  };
  const easel = new Easel(find("easel"), { side, brush, changed: classify });
  penOnScreen(easel);
  const camera = new Camera({
    video: find("video"),
    side,
    seen: (pixels) => easel.show(pixels),
    changed: (isOn, words) => {
      find("camera").ariaPressed = isOn;
      find("video").hidden = !isOn;
      note(words);
    },
  });
  const show = (pixels) => {
    camera.stop();
    note("");
    easel.show(pixels);
  };
  const take = async (file) => {
    if (!file) return;
    try {
      show(await readPicture(file, side));
    } catch (error) {
      note(error.message);
    }
  };
  samples(about, show);
  find("camera").addEventListener("click", () => camera.toggle());
  find("choose").addEventListener("click", () => find("file").click());
  find("file").addEventListener("change", ({ target }) => take(target.files[0]).then(() => (target.value = "")));
  find("clear").addEventListener("click", () => {
    camera.stop();
    easel.clear();
    classify();
    note("");
  });
  const over = (isOver) => find("square").classList.toggle("over", isOver);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  document.addEventListener("dragleave", () => over(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    take(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => take(event.clipboardData.files[0]));
  offerSelftest({ ...page, find });
  offerBenchmark({ ...page, find });
  offer(page);
  session = await engine.open("wasm");
  document.body.classList.add("ready");
  note("");
  const surest = largest(about.golden.logits.map((logits) => Math.max(...softmax(logits))));
  show(about.golden.pixels.slice(surest * side * side, (surest + 1) * side * side));
}

start().catch((error) => {
  find("note").textContent = `This page is damaged or the browser is too old: ${error.message}`;
  document.body.classList.add("broken");
});
