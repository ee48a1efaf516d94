"use strict";
// Sorts tables by their columns and shows only rows of a corpus, size or protocol. Without it every row stands in the page.

// A number where the row says one (empty: none), else what the reader sees.
function keyOf(cell) {
  const said = cell.dataset.v;
  if (said !== undefined) return said === "" ? null : Number(said);
  const text = cell.textContent.trim();
  return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
}

// Rows without a value come last either way; equal ones keep their order.
function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  return sign * String(a).localeCompare(String(b), "en", { numeric: true });
}

function makeSortable(table) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    const order = head.classList.contains("number") ? ["descending", "ascending"] : ["ascending", "descending"];
    button.addEventListener("click", () => {
      const next = order[order.indexOf(head.getAttribute("aria-sort")) + 1]; // undefined: back to the page's own order
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      table.classList.toggle("sorted", next !== undefined);
      const rows = [...original];
      if (next) {
        head.setAttribute("aria-sort", next);
        const sign = next === "ascending" ? 1 : -1;
        const keys = new Map(rows.map((row) => [row, row.classList.contains("aside") ? null : keyOf(row.cells[column])]));
        rows.sort((one, other) => compare(keys.get(one), keys.get(other), sign));
      }
      body.append(...rows);
    });
  });
}

function makeFilter(form) {
  const choices = [...form.querySelectorAll("select")];
  const filtered = [...document.querySelectorAll("main [data-corpus], main [data-size], main [data-protocol]")];
  const board = document.querySelector("#board tbody");
  const show = () => {
    for (const element of filtered) {
      element.hidden = choices.some(({ name, value }) => value !== "" && name in element.dataset && element.dataset[name] !== value);
    }
    if (!board) return;
    const shown = [...board.rows].filter((row) => !row.hidden).length;
    form.querySelector("output").textContent = `${shown} of ${board.rows.length} entries`;
  };
  form.addEventListener("change", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("pageshow", show); // a browser that goes back restores choices, not rows
  form.hidden = choices.length === 0;
  show();
}

document.querySelectorAll("table[data-sortable]").forEach(makeSortable);
document.querySelectorAll("#filter").forEach(makeFilter);
