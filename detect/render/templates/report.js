// The heat map's slider and switch, and printing with every detail open. Without script the map stays as it is.
for (const figure of document.querySelectorAll("[data-map]")) {
  const overlay = figure.querySelector(".overlay");
  const controls = figure.querySelector(".controls");
  if (!overlay || !controls) continue;
  const slider = controls.querySelector("input");
  const output = controls.querySelector("output");
  const button = controls.querySelector("button");
  const show = () => {
    const isOn = button.getAttribute("aria-pressed") === "true";
    overlay.style.opacity = isOn ? slider.value / 100 : 0;
    output.value = `${slider.value} %`;
    slider.setAttribute("aria-valuetext", `${slider.value} percent`);
  };
  slider.addEventListener("input", () => {
    button.setAttribute("aria-pressed", "true");
    show();
  });
  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    show();
  });
  controls.hidden = false;
  show();
}

// The scrubber of a clip: shows the nearest still, a cursor on the chart, and the table's row in words.
for (const figure of document.querySelectorAll("[data-clip]")) {
  const scrubber = figure.querySelector(".scrubber");
  const cursor = figure.querySelector(".cursor");
  const stills = [...figure.querySelectorAll(".still")];
  const moment = figure.querySelector(".moment");
  const heads = [...figure.querySelectorAll("thead th")].slice(2).map((cell) => cell.textContent);
  const rows = [...figure.querySelectorAll("tbody tr")];
  const duration = Number(figure.dataset.duration);
  const step = Number(figure.dataset.step);
  const show = () => {
    const time = Number(scrubber.value);
    const at = (1000 * time) / duration;
    cursor.setAttribute("x1", at);
    cursor.setAttribute("x2", at);
    const row = rows[Math.min(rows.length - 1, Math.floor(time / step))];
    const values = [...row.querySelectorAll("td")].slice(1).map((cell) => cell.textContent);
    const words = `${row.querySelector("th").textContent}: ${heads.map((head, n) => `${head} ${values[n]}`).join(", ")}`;
    scrubber.setAttribute("aria-valuetext", words);
    if (moment) moment.textContent = words;
    const gap = (still) => Math.abs(Number(still.dataset.time) - time);
    const nearest = stills.reduce((best, still) => (best && gap(best) <= gap(still) ? best : still), null);
    for (const still of stills) still.hidden = still !== nearest;
  };
  scrubber.addEventListener("input", show);
  scrubber.hidden = false;
  cursor.removeAttribute("hidden");
  show();
}

// The player of a recording: a cursor over waveform and spectrogram, and buttons that play the flagged stretches.
for (const figure of document.querySelectorAll("[data-audio]")) {
  const player = figure.querySelector("audio");
  const cursor = figure.querySelector(".cursor");
  const seek = figure.querySelector(".seek");
  if (!player) continue;
  player.addEventListener("timeupdate", () => {
    const at = (900 * player.currentTime) / (player.duration || 1);
    cursor.setAttribute("x1", at);
    cursor.setAttribute("x2", at);
    cursor.removeAttribute("hidden");
  });
  if (!seek) continue;
  for (const button of seek.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      player.currentTime = Number(button.dataset.seek);
      player.play();
    });
  }
  seek.hidden = false;
}

let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open], .bulky)")];
  for (const details of closed) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
});
