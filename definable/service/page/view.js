// A small view library: a page is a tree of plain nodes, and what has changed of it is put into the document.
// Text becomes text nodes and nothing is ever read as HTML, so whatever a tool answered is shown and never run.

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "indeterminate"]);

/** Return a node: a tag, its properties (`key` tells it from its siblings), and what is in it. */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, key: props?.key, children: flat(children) };
}

/** Return a node that is made by `make(...args)`, and made anew only when one of `args` is another. */
export function memo(key, make, ...args) {
  return { make, args, key };
}

function flat(children, into = []) {
  for (const child of children) {
    if (Array.isArray(child)) flat(child, into);
    else if (child !== null && child !== undefined && child !== false && child !== true && child !== "") {
      into.push(typeof child === "object" ? child : { text: String(child) });
    }
  }
  return into;
}

/** Make the document under `root` what `node` says. */
export function render(node, root) {
  const next = flat([node]);
  within(root, root.shown ?? [], next, false);
  root.shown = next;
}

const kind = (node) => node.make ?? node.tag ?? "#text";
const named = (node, index) => node.key ?? `#${index}`;

function within(parent, before, next, svg) {
  const known = new Map(before.map((node, index) => [named(node, index), node]));
  const pairs = next.map((node, index) => {
    const old = known.get(named(node, index));
    if (!old || kind(old) !== kind(node)) return [node, null];
    known.delete(named(node, index));
    return [node, old];
  });
  const kept = new Set(pairs.map(([, old]) => old));
  for (const old of before) if (!kept.has(old)) old.dom.remove();
  let at = parent.firstChild;
  for (const [node, old] of pairs) {
    const here = at !== null && old?.dom === at;
    const dom = old ? patch(old, node, svg) : create(node, svg);
    if (here) at = dom.nextSibling;
    else parent.insertBefore(dom, at);
  }
}

function create(node, svg) {
  if (node.make) {
    node.made = flat([node.make(...node.args)])[0] ?? { text: "" };
    return (node.dom = create(node.made, svg));
  }
  if (node.tag === undefined) return (node.dom = document.createTextNode(node.text));
  const inside = svg || node.tag === "svg";
  node.dom = inside ? document.createElementNS(SVG, node.tag) : document.createElement(node.tag);
  within(node.dom, [], node.children, inside);
  set(node.dom, {}, node.props);
  node.props.ref?.(node.dom);
  return node.dom;
}

function patch(old, node, svg) {
  if (node.make) return again(old, node, svg);
  node.dom = old.dom;
  if (node.tag === undefined) {
    if (old.text !== node.text) node.dom.data = node.text;
    return node.dom;
  }
  within(node.dom, old.children, node.children, svg || node.tag === "svg");
  set(node.dom, old.props, node.props);
  return node.dom;
}

function again(old, node, svg) {
  if (old.args.every((arg, index) => arg === node.args[index])) {
    node.made = old.made;
    return (node.dom = old.dom);
  }
  const made = flat([node.make(...node.args)])[0] ?? { text: "" };
  node.made = made;
  if (kind(made) === kind(old.made)) return (node.dom = patch(old.made, made, svg));
  const dom = create(made, svg);
  old.dom.replaceWith(dom);
  return (node.dom = dom);
}

function set(dom, old, props) {
  for (const name of new Set([...Object.keys(old), ...Object.keys(props)])) {
    const value = props[name];
    if (name === "key" || name === "ref") continue;
    if (PROPERTIES.has(name)) {
      if (name in props && dom[name] !== value) dom[name] = value ?? "";
    } else if (old[name] === value) continue;
    else if (name === "style") style(dom, old.style ?? {}, value ?? {});
    else if (name.startsWith("on")) listen(dom, name.slice(2), value);
    else if (value === false || value === null || value === undefined) dom.removeAttribute(name);
    else dom.setAttribute(name, value === true ? "" : value);
  }
}

function style(dom, old, value) {
  for (const name of Object.keys(old)) if (!(name in value)) dom.style.removeProperty(name);
  for (const [name, each] of Object.entries(value)) dom.style.setProperty(name, each);
}

function listen(dom, type, handler) {
  const handlers = (dom.handlers ??= {});
  if (!(type in handlers)) dom.addEventListener(type, (event) => handlers[type]?.(event));
  handlers[type] = handler;
}
