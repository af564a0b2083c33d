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

let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open], .bulky)")];
  for (const details of closed) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
});
