// The square that pictures are drawn on and shown on, by pointer or by keyboard.

const STEP = 8; // of the keyboard's pen, in pixels of the canvas
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Easel {
  /** `changed` is called after each stroke and each new picture; `side` is the width of the model's input. */
  constructor(canvas, { side, brush, changed }) {
    this.canvas = canvas;
    this.side = side;
    this.brush = brush;
    this.changed = changed;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.pen = { x: canvas.width / 2, y: canvas.height / 2, down: false };
    this.clear();
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => this.lift());
  }

  clear() {
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.empty = true;
  }

  /** Show `pixels` uint8[side × side]. */
  show(pixels) {
    const { side, context, canvas } = this;
    const image = new ImageData(side, side);
    pixels.forEach((level, index) => image.data.set([level, level, level, 255], 4 * index));
    const small = new OffscreenCanvas(side, side);
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
    this.empty = false;
    this.changed();
  }

  /** What the model gets: uint8[side × side], each pixel the mean of its square. */
  pixels() {
    const { side, canvas } = this;
    const cell = canvas.width / side;
    const { data } = this.context.getImageData(0, 0, canvas.width, canvas.height);
    const sums = new Float64Array(side * side);
    for (let index = 0; index < data.length / 4; index++) {
      const row = Math.floor(index / canvas.width / cell);
      sums[row * side + Math.floor((index % canvas.width) / cell)] += data[4 * index];
    }
    return Uint8Array.from(sums, (sum) => Math.round(sum / cell ** 2));
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pen = { ...this.place(event), down: false };
    this.line(this.pen);
  }

  drag(event) {
    if (!event.buttons || !this.canvas.hasPointerCapture(event.pointerId)) return;
    for (const part of event.getCoalescedEvents?.() ?? [event]) this.line(this.place(part));
  }

  /** Arrows move the pen, space puts it down and lifts it. */
  key(event) {
    if (event.key === " ") {
      event.preventDefault();
      this.pen.down = !this.pen.down;
      if (this.pen.down) this.line(this.pen);
    } else if (event.key in MOVES) {
      event.preventDefault();
      const [right, down] = MOVES[event.key];
      const inside = (place) => Math.min(this.canvas.width, Math.max(0, place));
      const target = { x: inside(this.pen.x + STEP * right), y: inside(this.pen.y + STEP * down) };
      if (this.pen.down) this.line(target);
      Object.assign(this.pen, target);
    } else return;
    this.canvas.dispatchEvent(new CustomEvent("pen", { detail: { ...this.pen } }));
  }

  lift() {
    this.pen.down = false;
    this.canvas.dispatchEvent(new CustomEvent("pen", { detail: null }));
  }

  line(to) {
    const { context } = this;
    context.strokeStyle = "#dcdcdc";
    context.lineWidth = this.brush();
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(this.pen.x, this.pen.y);
    context.lineTo(to.x, to.y);
    context.stroke();
    Object.assign(this.pen, { x: to.x, y: to.y });
    this.empty = false;
    this.changed();
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / box.width;
    return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
  }
}
