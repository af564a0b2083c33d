// Drop, upload with progress and cancel, waiting, copying. Without script the form still posts and the page refreshes.
import "/shared/report.js";

const form = document.getElementById("check");
if (form) startCheck(form);
const waiting = document.getElementById("waiting");
if (waiting) waitFor(waiting.dataset.id);
// A clip whose sound does not decode has no spectrogram to show.
for (const picture of document.querySelectorAll(".spectrogram")) {
  picture.addEventListener("error", () => { picture.closest("figure").hidden = true; });
}
const copy = document.getElementById("copy");
if (copy && navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(location.href);
    document.getElementById("copied").textContent = copy.dataset.done;
  });
}

function startCheck(form) {
  const words = form.dataset;
  const file = form.querySelector("#file");
  const url = form.querySelector("#url");
  const drop = form.querySelector("#drop");
  const status = form.querySelector("#status");
  const problem = form.querySelector("#problem");
  const cancel = form.querySelector("#cancel");
  const progress = form.querySelector("#progress");
  const meter = form.querySelector("#meter");
  let running = null;

  const fail = (text) => {
    running = null;
    progress.hidden = cancel.hidden = true;
    status.textContent = "";
    problem.textContent = text;
    file.setAttribute("aria-invalid", "true");
    file.focus();
  };
  for (const name of ["dragover", "dragenter"]) {
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("is-over"); });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("is-over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("is-over");
    if (event.dataTransfer.files.length) {
      file.files = event.dataTransfer.files;
      form.requestSubmit();
    }
  });
  cancel.addEventListener("click", () => running?.abort());

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (running) return;
    problem.textContent = "";
    file.removeAttribute("aria-invalid");
    const address = url ? url.value.trim() : "";
    if (!file.files.length && !address) return fail(words.empty);
    const request = (running = new XMLHttpRequest());
    request.open("POST", "/v1/analyses");
    request.responseType = "json";
    request.upload.addEventListener("progress", (step) => {
      if (!step.lengthComputable) return;
      const share = Math.floor((100 * step.loaded) / step.total);
      meter.value = share;
      status.textContent = share < 100 ? `${words.uploading} ${share - (share % 25)} %` : words.waiting;
    });
    request.addEventListener("load", () => {
      if (request.status === 200 || request.status === 202) location.assign(`/a/${request.response.id}`);
      else fail(JSON.parse(words.errors)[request.response?.code] ?? request.response?.detail ?? words.offline);
    });
    request.addEventListener("error", () => fail(words.offline));
    request.addEventListener("abort", () => fail(words.cancelled));
    progress.hidden = cancel.hidden = false;
    status.textContent = words.uploading;
    const isPrivate = form.querySelector("#private").checked;
    if (file.files.length) {
      const body = new FormData();
      body.append("file", file.files[0]);
      if (isPrivate) body.append("zero_retention", "true");
      request.send(body);
    } else {
      request.setRequestHeader("Content-Type", "application/json");
      request.send(JSON.stringify({ url: address, zero_retention: isPrivate }));
    }
  });

  // The bookmarklet hands a picture over; only the person here can send it on.
  addEventListener("message", (event) => {
    if (event.source !== opener || !(event.data?.witnessmark instanceof Blob)) return;
    const transfer = new DataTransfer();
    transfer.items.add(new File([event.data.witnessmark], String(event.data.name ?? "picture").slice(0, 255)));
    file.files = transfer.files;
    status.textContent = words.received;
  });
  if (opener && location.hash === "#receive") opener.postMessage("witnessmark-ready", "*");
}

async function waitFor(id) {
  for (;;) {
    try {
      const answer = await fetch(`/v1/analyses/${id}`, { headers: { Prefer: "wait=20" } });
      const body = answer.ok ? await answer.json() : null;
      if (!body || !["queued", "running"].includes(body.status)) return location.reload();
    } catch {
      await new Promise((done) => setTimeout(done, 3000));
    }
  }
}
