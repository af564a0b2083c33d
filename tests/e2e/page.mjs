// Drive the page in headless Chromium: node page.mjs BASE_URL OUT_DIR FILES_DIR; needs playwright-core and axe-core.
// Prints one JSON object: axe violations by state, and what each step found. Screenshots go to OUT_DIR.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import path from "node:path";
const require = createRequire(path.join(process.cwd(), "index.js"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [base, out, files] = process.argv.slice(2);

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const result = { violations: {}, steps: {}, foreign: [], console: [] };

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-US", ...options });
  const page = await context.newPage();
  page.on("request", (request) => { if (!request.url().startsWith(base) && !request.url().startsWith("data:") && !request.url().startsWith("blob:")) result.foreign.push(request.url()); });
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
  await page.waitForURL("**/a/**", { timeout: 60000 });
}
const finished = (page) => page.waitForSelector("h1.headline", { timeout: 120000 });

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
await page.waitForURL("**/a/**", { timeout: 60000 });
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

page = await open({ javaScriptEnabled: false });
await page.goto(`${base}/`);
await page.setInputFiles("#file", path.join(files, "noscript.png"));
await page.click("#check button[type=submit]");
result.steps.noScript = new URL(page.url()).pathname.slice(0, 3);

await browser.close();
console.log(JSON.stringify(result, null, 1));
