"use strict";
// The error browser: test sentences with gold and the predictions of two methods. All text enters the page as text, never as markup.

const PAGE = 20; // sentences at a time
const KINDS = ["correct", "type", "boundary", "both", "missed", "spurious"];

// What the data files call.
const kfbench = {
  corpus: null,
  runs: new Map(), // "size/run" -> variant -> row -> what is wrong in it
  sentences(corpus) {
    kfbench.corpus = corpus;
  },
  run(size, run, rows) {
    kfbench.runs.set(`${size}/${run}`, new Map(rows));
  },
};

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Spans from a flat list of numbers, `width` of them a span.
function spans(flat, width) {
  const found = [];
  for (let i = 0; i < flat.length; i += width) {
    const [start, end, label, kind = 0, partner = -1] = flat.slice(i, i + width);
    found.push({ start, end, label, kind, partner });
  }
  return found;
}

// A sentence's gold and predicted spans in a run. A row that the run does not list is right in every span.
function reading(i, wrong) {
  const gold = spans(kfbench.corpus.rows[i][2], 3);
  const row = wrong && wrong[i];
  if (!row) return { gold, predicted: gold, errors: [] };
  const predicted = spans(row[1], 5);
  const missed = gold.map((span, at) => ({ ...span, kind: Number(row[0][at]) })).filter((span) => KINDS[span.kind] === "missed");
  return { gold, predicted, errors: [...predicted.filter((span) => span.kind !== 0), ...missed] };
}

function tokens(i) {
  const text = kfbench.corpus.rows[i][1];
  return typeof text === "string" ? [...text] : text;
}

const words = (all, span) => all.slice(span.start, span.end).join(kfbench.corpus.blank);
const label = (span) => kfbench.corpus.labels[span.label];

// Spans as trees: one that lies within another is its child. Spans that cross one already placed are left for a line of their own.
function nest(all) {
  const roots = [];
  const crossing = [];
  const open = [];
  for (const span of [...all].sort((a, b) => a.start - b.start || b.end - a.end)) {
    while (open.length && open.at(-1).span.end <= span.start) open.pop();
    if (open.length && span.end > open.at(-1).span.end) {
      crossing.push(span);
      continue;
    }
    const node = { span, inside: [] };
    (open.length ? open.at(-1).inside : roots).push(node);
    open.push(node);
  }
  return { roots, crossing };
}

const depth = (nodes) => nodes.reduce((most, node) => Math.max(most, 1 + depth(node.inside)), 0);

// Tokens from `start` to `end`, with marks for the nodes among them.
function marked(all, start, end, nodes) {
  const parts = [];
  let at = start;
  const plain = (to) => {
    if (to > at) parts.push(document.createTextNode(all.slice(at, to).join(kfbench.corpus.blank)));
    at = to;
  };
  for (const { span, inside } of nodes) {
    plain(span.start);
    const mark = element("mark", { class: KINDS[span.kind], style: `--inside:${depth(inside)}` });
    mark.append(...marked(all, span.start, span.end, inside), element("span", { class: "tag" }, label(span)));
    parts.push(mark);
    at = span.end;
  }
  plain(end);
  return parts.flatMap((part, i) => (i ? [kfbench.corpus.blank, part] : [part]));
}

// One line of text, and another for each set of spans that cross those of the lines before.
function lines(all, found) {
  const made = [];
  let left = found;
  do {
    const { roots, crossing } = nest(left);
    const line = element("p", { lang: kfbench.corpus.language, dir: "auto" });
    line.append(...marked(all, 0, all.length, roots));
    made.push(line);
    left = crossing;
  } while (left.length);
  return made;
}

function explanation(all, span, gold) {
  const kind = KINDS[span.kind];
  const partner = gold[span.partner];
  const what = [words(all, span), " ", element("b", {}, label(span))];
  if (kind === "type") what.push(", gold ", element("b", {}, label(partner)));
  if (kind === "boundary" || kind === "both") what.push(", gold ", words(all, partner), " ", element("b", {}, label(partner)));
  return element("li", { class: kind }, `${kind}: `, ...what);
}

function side(name, all, found) {
  const made = element("div", { class: "reading" }, element("h4", {}, name), ...lines(all, found.predicted));
  if (found.errors.length) made.append(element("ul", {}, ...found.errors.map((span) => explanation(all, span, found.gold))));
  return made;
}

function article(i, names, wrong) {
  const all = tokens(i);
  const gold = spans(kfbench.corpus.rows[i][2], 3);
  const readings = wrong.map((rows) => reading(i, rows));
  return element(
    "article",
    {},
    element("h3", {}, kfbench.corpus.rows[i][0]),
    element("div", { class: "reading gold" }, element("h4", {}, "gold"), ...lines(all, gold)),
    element("div", { class: "pair" }, ...readings.map((found, j) => side(`${"AB"[j]}: ${names[j]}`, all, found))),
  );
}

function start() {
  const { variants, runs } = JSON.parse(document.getElementById("choices").textContent);
  const form = document.getElementById("choose");
  const chosen = form.elements;
  const status = document.getElementById("status");
  const place = document.getElementById("sentences");
  const pagers = [...document.querySelectorAll(".pager")];
  let found = [];
  let page = 0;

  const fill = (select, values) => {
    const before = select.value;
    select.replaceChildren(...values.map((value) => element("option", { value }, value)));
    if (values.includes(before)) select.value = before;
  };

  // Choices live in the address, so that a link leads to them.
  const remember = () => {
    const said = new URLSearchParams();
    for (const { name, value } of chosen) if (name && value) said.set(name, value);
    history.replaceState(null, "", `#${said}`);
  };
  const recall = () => {
    const said = new URLSearchParams(location.hash.slice(1));
    const set = (name) => {
      if (said.has(name) && [...(chosen[name].options ?? [])].some((option) => option.value === said.get(name))) chosen[name].value = said.get(name);
    };
    set("size");
    fill(chosen.run, runs[chosen.size.value]);
    ["run", "a", "b", "who", "kind", "label"].forEach(set);
    if (said.has("a") && !said.has("who") && said.has("kind")) chosen.who.value = "a";
    if (said.has("a") && !said.has("b") && chosen.b.value === chosen.a.value) chosen.b.value = variants.find((v) => v !== chosen.a.value) ?? chosen.a.value;
    if (said.has("text")) chosen.text.value = said.get("text");
  };

  const load = (size, run, then) => {
    if (kfbench.runs.has(`${size}/${run}`)) return then();
    const script = element("script", { src: `${form.dataset.folder}${encodeURIComponent(size)}/${encodeURIComponent(run)}.js` });
    script.addEventListener("load", then);
    script.addEventListener("error", () => (status.textContent = `The file of run ${run} at size ${size} cannot be read.`));
    document.head.append(script);
    return undefined;
  };

  const draw = () => {
    const names = [chosen.a.value, chosen.b.value];
    const run = kfbench.runs.get(`${chosen.size.value}/${chosen.run.value}`);
    const wrong = names.map((name) => run.get(name));
    const last = Math.max(0, Math.ceil(found.length / PAGE) - 1);
    page = Math.min(page, last);
    const rows = found.slice(page * PAGE, (page + 1) * PAGE);
    place.replaceChildren(...rows.map((i) => article(i, names, wrong)));
    for (const pager of pagers) {
      pager.hidden = last === 0;
      pager.querySelector("span").textContent = `${page + 1} of ${last + 1}`;
      for (const button of pager.querySelectorAll("button")) {
        button.disabled = ["first", "back"].includes(button.name) ? page === 0 : page === last;
      }
    }
    const range = found.length ? `, ${page * PAGE + 1} to ${page * PAGE + rows.length} shown` : "";
    const absent = names.filter((name) => !run.has(name));
    status.textContent = `${found.length} of ${kfbench.corpus.rows.length} sentences${range}.${absent.map((name) => ` No predictions of ${name} in this run.`).join("")}`;
  };

  const search = () => {
    const run = kfbench.runs.get(`${chosen.size.value}/${chosen.run.value}`);
    const rows = [chosen.a.value, chosen.b.value].map((name) => run.get(name) ?? {});
    const { value: kind } = chosen.kind;
    const only = chosen.label.value === "" ? null : Number(chosen.label.value);
    const text = chosen.text.value.trim().toLowerCase();
    const fits = (span, gold) =>
      (kind === "" || KINDS[span.kind] === kind) && (only === null || span.label === only || (span.partner >= 0 && gold[span.partner].label === only));
    const has = (i, wrong) => {
      if (!wrong[i]) return false;
      const { gold, errors } = reading(i, wrong);
      return errors.some((span) => fits(span, gold));
    };
    const ways = { either: (a, b) => a || b, a: (a) => a, b: (a, b) => b, "only-a": (a, b) => a && !b, "only-b": (a, b) => b && !a, both: (a, b) => a && b };
    const holds = (i) =>
      kind !== "all"
        ? ways[chosen.who.value](has(i, rows[0]), has(i, rows[1]))
        : only === null || spans(kfbench.corpus.rows[i][2], 3).some((span) => span.label === only) || has(i, rows[0]) || has(i, rows[1]);
    const says = (i) => text === "" || tokens(i).join(kfbench.corpus.blank).toLowerCase().includes(text);
    found = kfbench.corpus.rows.map((_, i) => i).filter((i) => says(i) && holds(i));
    page = 0;
    draw();
  };

  const update = () => load(chosen.size.value, chosen.run.value, search);
  fill(chosen.size, Object.keys(runs));
  fill(chosen.run, runs[chosen.size.value]);
  fill(chosen.a, variants);
  fill(chosen.b, variants);
  chosen.a.value = variants.at(-1);
  recall();
  form.hidden = false;
  document.getElementById("plain").hidden = true;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    if (event.target.name === "size") fill(chosen.run, runs[chosen.size.value]);
    remember();
    update();
  });
  window.addEventListener("hashchange", () => {
    recall();
    update();
  });
  for (const pager of pagers) {
    pager.addEventListener("click", ({ target }) => {
      const steps = { first: -page, back: -1, on: 1, last: Infinity };
      if (!(target.name in steps)) return;
      page = Math.max(0, page + steps[target.name]);
      draw();
      document.getElementById("status").scrollIntoView();
    });
  }
  update();
}

document.addEventListener("DOMContentLoaded", start);
