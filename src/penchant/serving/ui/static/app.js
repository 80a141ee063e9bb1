// What the pages do beyond htmx: lists that show how they moved, charts, dialogs, the theme.
"use strict";

const calm = matchMedia("(prefers-reduced-motion: reduce)");

// Lists: each card slides from where it was, and says how it moved.

let before = null;

function cards(root) {
  return [...root.querySelectorAll("[data-list] [data-item]")].map((card) => ({
    key: `${card.closest("[data-list]").dataset.list}\n${card.dataset.item}`,
    card,
  }));
}

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (!detail.target.querySelector("[data-list]")) return;
  before = new Map(cards(detail.target).map(({ key, card }) => [
    key, { top: card.getBoundingClientRect().top, rank: Number(card.dataset.rank) },
  ]));
});

document.addEventListener("htmx:afterSettle", () => {
  if (before === null) return;
  const were = before;
  before = null;
  let fresh = 0;
  for (const { key, card } of cards(document)) {
    const was = were.get(key);
    const told = card.querySelector(".moved");
    const rank = Number(card.dataset.rank);
    if (!was) fresh += 1;
    if (told && were.size) {
      told.textContent = !was ? "new" : was.rank === rank ? "" :
        was.rank > rank ? `up ${was.rank - rank}` : `down ${rank - was.rank}`;
    }
    if (calm.matches || !card.animate) continue;
    if (was) {
      const by = was.top - card.getBoundingClientRect().top;
      if (by) card.animate([{ transform: `translateY(${by}px)` }, { transform: "none" }],
        { duration: 320, easing: "cubic-bezier(.2,.7,.2,1)" });
    } else if (were.size) {
      card.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 320 });
    }
  }
  const said = document.getElementById("said");
  if (said) said.textContent = fresh ? `The list changed: ${fresh} new` : "The list changed";
  if (document.activeElement === document.body) document.getElementById("lists")?.focus();
});

// A request that failed is said, not swallowed.

for (const name of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(name, ({ detail }) => {
    const status = detail.xhr?.status;
    const why = status === 401 || status === 403 ? "Sign in with a key that may do this."
      : status ? `The service answered ${status}.` : "The service does not answer.";
    const trouble = document.getElementById("trouble");
    if (trouble) { trouble.textContent = why; trouble.hidden = false; }
  });
}

// Bars and colours come as data, so that no style stands in the page.

function dress(root) {
  for (const bar of root.querySelectorAll("[data-share]")) bar.style.width = `${bar.dataset.share}%`;
  for (const tile of root.querySelectorAll("[data-hue]")) tile.style.setProperty("--hue", tile.dataset.hue);
}

// Charts: <div class="chart" data-source="id of a JSON script" data-unit="ms">

const charts = new Map();

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options(spec, width) {
  const strokes = [colour("--accent"), colour("--quiet"), colour("--good")];
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 },
    ticks: { stroke: colour("--line"), width: 1 }, font: "11px system-ui" };
  return {
    width, height: 200, cursor: { points: { size: 7 } },
    scales: { x: { time: spec.time }, y: { range: (_, low, high) => {
      if (spec.zero) return [0, high > 0 ? high * 1.1 : 1];
      const pad = (high - low) * 0.15 || Math.abs(high) * 0.1 || 1;
      return [low - pad, high + pad];
    } } },
    axes: [axis, { ...axis, size: 52 }],
    series: [{ label: spec.x }, ...spec.series.map((one, n) => ({
      label: one.label, stroke: strokes[n % 3], width: one.faint ? 1 : 2,
      dash: one.faint ? [4, 3] : undefined, points: { show: Boolean(spec.points), size: 6 },
      value: (_, v) => v === null ? "–" : `${Number(v.toPrecision(4))}${spec.unit || ""}`,
    }))],
    bands: (spec.bands || []).map((pair) => ({ series: pair, fill: `color-mix(in srgb, ${strokes[0]} 14%, transparent)` })),
  };
}

function draw(root) {
  for (const place of root.querySelectorAll("[data-chart]")) {
    const spec = JSON.parse(document.getElementById(place.dataset.chart).textContent);
    charts.get(place.id)?.destroy();
    charts.set(place.id, new uPlot(options(spec, place.clientWidth), spec.data, place));
  }
}

addEventListener("resize", () => {
  for (const [id, chart] of charts) {
    const place = document.getElementById(id);
    if (place) chart.setSize({ width: place.clientWidth, height: 200 });
  }
});

addEventListener("DOMContentLoaded", () => { dress(document); draw(document); });
document.addEventListener("htmx:afterSettle", ({ detail }) => { dress(detail.elt); draw(detail.elt); });

// Hover or focus follows one item through the stages.

for (const name of ["pointerover", "focusin"]) {
  document.addEventListener(name, ({ target }) => {
    const item = target.closest?.("[data-follow]")?.dataset.follow;
    for (const one of document.querySelectorAll("[data-follow]")) {
      one.classList.toggle("follow", item !== undefined && one.dataset.follow === item);
    }
  });
}

// Alpine, in its build without eval: components by name.

document.addEventListener("alpine:init", () => {
  Alpine.data("theme", () => ({
    dark: document.documentElement.dataset.theme === "dark",
    turn() {
      this.dark = !this.dark;
      const theme = this.dark ? "dark" : "light";
      document.documentElement.dataset.theme = theme;
      localStorage.setItem("theme", theme);
      draw(document);
    },
  }));
  Alpine.data("asking", () => ({
    typed: "",
    show() { this.$refs.dialog.showModal(); },
    hide() { this.typed = ""; this.$refs.dialog.close(); },
    get differs() { return this.typed !== this.$root.dataset.name; },
  }));
});
