// The ten probabilities, as bars that move and as words for those who hear the page.

import { largest } from "./softmax.js";

const QUIET_MS = 900; // a drawing changes many times a second: only where it comes to rest is it spoken

export class Answer {
  constructor({ list, title, chip, spoken, labels }) {
    this.title = title;
    this.chip = chip;
    this.spoken = spoken;
    this.labels = labels;
    this.rows = labels.map((label) => row(list, label));
  }

  /** Show `probabilities`, or that there is nothing to classify. */
  show(probabilities) {
    const best = probabilities ? largest(probabilities) : -1;
    this.rows.forEach(({ item, bar, share }, index) => {
      const probability = probabilities?.[index] ?? 0;
      item.classList.toggle("best", index === best);
      bar.style.setProperty("--share", probability.toFixed(4));
      share.textContent = probabilities ? percent(probability) : "–";
    });
    this.title.textContent = probabilities ? this.labels[best] : "Draw something";
    clearTimeout(this.timer);
    const words = probabilities ? `${this.labels[best]}, ${percent(probabilities[best])}` : "Nothing drawn";
    this.chip.textContent = words;
    this.timer = setTimeout(() => (this.spoken.textContent = words), QUIET_MS);
  }
}

function row(list, label) {
  const item = list.appendChild(document.createElement("li"));
  const name = item.appendChild(document.createElement("span"));
  name.textContent = label;
  name.className = "label";
  const track = item.appendChild(document.createElement("span"));
  track.className = "track";
  track.ariaHidden = "true";
  const bar = track.appendChild(document.createElement("span"));
  bar.className = "bar";
  const share = item.appendChild(document.createElement("span"));
  share.className = "share";
  return { item, bar, share };
}

function percent(probability) {
  return `${(100 * probability).toFixed(1)}\u00a0%`;
}
