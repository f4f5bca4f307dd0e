// The camera: a square from the middle of what it sees, five times a second.

import { fit } from "./picture.js";

const PERIOD_MS = 200;

export class Camera {
  /** `seen` gets uint8[side × side]; `changed` is told whether the camera is on, and why it is not. */
  constructor({ video, side, seen, changed }) {
    Object.assign(this, { video, side, seen, changed });
  }

  get isOn() {
    return Boolean(this.stream);
  }

  async toggle() {
    if (this.isOn) this.stop();
    else await this.start();
  }

  async start() {
    try {
      if (!navigator.mediaDevices) throw new Error("this browser lets no such page use a camera");
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (error) {
      this.changed(false, `The camera stays off: ${error.message}.`);
      return;
    }
    this.video.srcObject = this.stream;
    await this.video.play();
    this.changed(true, "The camera is on.");
    this.timer = setInterval(() => this.look(), PERIOD_MS);
  }

  stop() {
    if (!this.isOn) return;
    clearInterval(this.timer);
    this.stream.getTracks().forEach((track) => track.stop());
    this.stream = this.video.srcObject = null;
    this.changed(false, "The camera is off.");
  }

  look() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const edge = Math.min(width, height);
    if (!edge) return;
    const context = new OffscreenCanvas(edge, edge).getContext("2d");
    context.drawImage(this.video, (edge - width) / 2, (edge - height) / 2);
    this.seen(fit(context.getImageData(0, 0, edge, edge), this.side));
  }
}
