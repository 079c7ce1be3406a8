// Small things about elements: writing only what changed keeps a screen reader quiet and a Pi cool.

export const $ = (id) => document.getElementById(id);

export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function make(tag, fields = {}, ...children) {
  const element = document.createElement(tag);
  const { data, ...rest } = fields;
  Object.assign(element, rest);
  Object.assign(element.dataset, data ?? {});
  element.append(...children);
  return element;
}

// Replace a list's rows only when their content changed.
export function fill(list, rows) {
  const next = JSON.stringify(rows.map((r) => r.outerHTML));
  if (list.shown === next) return;
  list.shown = next;
  list.replaceChildren(...rows);
}
