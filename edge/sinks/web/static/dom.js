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

// Make a list's rows like these, keeping every element that stays: a finger, the focus or a reader may be on it. Rows
// that move are known by their data-key, others by their place.
export function fill(list, rows) {
  const keys = rows.map((row, i) => row.dataset.key ?? String(i)), focused = document.activeElement;
  const before = new Map([...list.children].map((row, i) => [row.dataset.key ?? String(i), row]));
  for (const [key, row] of before) if (!keys.includes(key)) row.remove();
  rows.forEach((row, i) => {
    const old = before.get(keys[i]), now = old && become(old, row) ? old : row;
    if (list.children[i] !== now) list.insertBefore(now, list.children[i] ?? null);
  });
  while (list.children.length > rows.length) list.lastElementChild.remove();
  if (list.contains(focused) && document.activeElement !== focused) focused.focus({ preventScroll: true });
}

function become(old, row) {
  if (old.nodeName !== row.nodeName) return false;
  if (old.isEqualNode(row)) return true;
  if (old.nodeType === Node.TEXT_NODE) old.data = row.data;
  else {
    for (const { name } of [...old.attributes]) if (!row.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of row.attributes) {
      if (old.getAttribute(name) === value) continue;
      if (name === "style") old.style.cssText = value; // as an attribute the policy would refuse it
      else old.setAttribute(name, value);
    }
    const parts = [...old.childNodes], wanted = [...row.childNodes];
    wanted.forEach((part, i) => {
      if (!parts[i]) old.append(part);
      else if (!become(parts[i], part)) parts[i].replaceWith(part);
    });
    for (const part of parts.slice(wanted.length)) part.remove();
  }
  return true;
}
