// Drive the page in headless Chromium: node page.mjs BASE_URL OUT_DIR FILES_DIR [KEYED_URL KEY]; needs playwright-core
// and axe-core. FILES_DIR holds slow, photo, keyboard, noscript and broken .png, and clip.mp4 and sound.wav if wanted.
// KEYED_URL is a service that asks for KEY.
// Prints one JSON object: axe violations by state, and what each step found. Screenshots go to OUT_DIR.
import { createRequire } from "node:module";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
const require = createRequire(path.join(process.cwd(), "index.js"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [base, out, files, keyed, key] = process.argv.slice(2);

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const result = { violations: {}, steps: {}, foreign: [], console: [] };

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-US", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(180000);
  page.on("request", (request) => { if (!request.url().startsWith(base) && !(keyed && request.url().startsWith(keyed)) && !request.url().startsWith("data:") && !request.url().startsWith("blob:")) result.foreign.push(request.url()); });
  page.on("console", (line) => { if (line.type() === "error") result.console.push(line.text()); });
  return page;
}
async function look(page, state) {
  // axe is put in through the debugger, which the page's policy does not bind.
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  result.violations[state] = found.violations.map((item) => `${item.id}: ${item.nodes.map((node) => node.target.join(" ")).join(", ")}`);
  await page.screenshot({ path: `${out}/${state}.png`, fullPage: true });
}
async function upload(page, name) {
  await page.goto(`${base}/`);
  await page.setInputFiles("#file", path.join(files, name));
  await page.click("#check button[type=submit]");
  await page.waitForURL("**/a/**", { timeout: 180000 });
}
const finished = (page) => page.waitForSelector("h1.headline", { timeout: 180000 });

let page = await open();
await page.goto(`${base}/`);
await look(page, "home");
await page.click("#check button[type=submit]");
result.steps.empty = await page.textContent("#problem");
await look(page, "home-error");

await upload(page, "slow.png");
result.steps.waiting = (await page.textContent("h1")).trim();
await look(page, "waiting");
await finished(page);

await upload(page, "photo.png");
await finished(page);
result.steps.verdict = (await page.textContent("h1.headline")).replace(/\s+/g, " ").trim();
await look(page, "result");
const permalink = page.url();
const slider = page.locator("[data-map] input[type=range]").first();
if (await slider.count()) {
  await slider.focus();
  await page.keyboard.press("Home");
  result.steps.sliderAtHome = await page.locator(".overlay").first().evaluate((item) => item.style.opacity);
}
await page.goto(permalink);
await finished(page);
result.steps.permalink = (await page.textContent("h1.headline")).replace(/\s+/g, " ").trim();

await upload(page, "broken.png");
await finished(page);
result.steps.broken = (await page.textContent("main")).replace(/\s+/g, " ").trim();
await look(page, "broken");
await page.goto(`${base}/a/an_nothing`);
await look(page, "missing");
await page.goto(`${base}/history`);
await look(page, "history");

for (const name of ["clip.mp4", "sound.wav"]) {
  if (!existsSync(path.join(files, name))) continue;
  await upload(page, name);
  await finished(page);
  const state = name.split(".")[0];
  result.steps[state] = (await page.textContent("h1.headline")).replace(/\s+/g, " ").trim();
  const scrubber = page.locator(".scrubber");
  if (await scrubber.count()) {
    await scrubber.focus();
    for (let index = 0; index < 10; index += 1) await page.keyboard.press("ArrowRight");
    result.steps.scrubber = await scrubber.getAttribute("aria-valuetext");
  }
  if (state === "sound") result.steps.waveform = await page.locator("figure.audio path.wave").count();
  await look(page, state);
}

// The bookmark on a page of another origin: the picture arrives in a window of the service, and is sent only by a press.
await page.goto(`${base}/`);
const bookmark = await page.getAttribute('a[href^="javascript:"]', "href");
const foreign = await open();
await foreign.goto("about:blank");
await foreign.setContent('<img alt="x" width="40" height="40" src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=">');
await foreign.evaluate(decodeURIComponent(bookmark.slice("javascript:".length)));
const [received] = await Promise.all([foreign.waitForEvent("popup"), foreign.click("img")]);
await received.waitForFunction(() => document.getElementById("file")?.files.length === 1);
result.steps.bookmark = await received.evaluate(() => `${document.getElementById("file").files[0].name} ${location.pathname}`);

// Dropping a file, and a service that is gone.
await page.goto(`${base}/`);
const dropped = await page.evaluateHandle(() => {
  const transfer = new DataTransfer();
  transfer.items.add(new File(["no picture"], "dropped.txt"));
  return transfer;
});
await page.dispatchEvent("#drop", "drop", { dataTransfer: dropped });
await page.waitForURL("**/a/**");
await page.waitForSelector(".verdict--error");
result.steps.dropped = (await page.textContent("main")).replace(/\s+/g, " ").trim();
await look(page, "unsupported");
await page.goto(`${base}/`);
await page.route("**/v1/analyses", (route) => route.abort());
await page.setInputFiles("#file", path.join(files, "photo.png"));
await page.click("#check button[type=submit]");
await page.waitForFunction(() => document.getElementById("problem").textContent);
result.steps.offline = await page.textContent("#problem");
result.steps.focusAfterError = await page.evaluate(() => document.activeElement.id);
await look(page, "offline");
await page.unroute("**/v1/analyses");

// Keyboard only: skip link, then the form, then Enter.
page = await open();
await page.goto(`${base}/`);
const stops = [];
for (let index = 0; index < 12; index += 1) {
  await page.keyboard.press("Tab");
  stops.push(await page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim().slice(0, 30)));
}
result.steps.tabStops = stops;
await page.locator("#file").focus();
await page.setInputFiles("#file", path.join(files, "keyboard.png"));
await page.locator("#check button[type=submit]").focus();
await page.keyboard.press("Enter");
await page.waitForURL("**/a/**", { timeout: 180000 });
await finished(page);
result.steps.keyboard = "done";

page = await open({ viewport: { width: 360, height: 740 }, colorScheme: "dark", isMobile: true, deviceScaleFactor: 2 });
await page.goto(`${base}/`);
await look(page, "phone-dark-home");
await page.goto(permalink);
await finished(page);
await look(page, "phone-dark-result");
result.steps.phoneOverflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

page = await open({ locale: "de-DE" });
await page.goto(`${base}/`);
result.steps.german = (await page.textContent("h1")).trim();
await look(page, "german-home");
await page.goto(permalink);
await look(page, "german-result");

await page.goto(`${base}/history`);
await look(page, "german-history");

if (keyed) {
  page = await open();
  await page.goto(`${keyed}/`);
  await look(page, "sign-in");
  await page.fill("#key", "wm_wrong");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#problem");
  result.steps.wrongKey = await page.textContent("#problem");
  await look(page, "sign-in-error");
  await page.fill("#key", key);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#check");
  await look(page, "signed-in");
  await page.click("button.plain");
  await page.waitForSelector("#key");
  result.steps.signedOut = "done";
}

page = await open({ javaScriptEnabled: false });
await page.goto(`${base}/`);
await page.setInputFiles("#file", path.join(files, "noscript.png"));
await page.click("#check button[type=submit]");
result.steps.noScript = new URL(page.url()).pathname.slice(0, 3);

await browser.close();
console.log(JSON.stringify(result, null, 1));
