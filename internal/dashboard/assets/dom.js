// @ts-check
// The only ways data reaches the document: text nodes and plain attributes, invisible characters shown.

import { visible } from './format.js';

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Record<string, string>} [attrs] @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, attrs = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs)) node.setAttribute(name, name === 'title' ? visible(value) : value);
  node.append(...children.map((c) => (typeof c === 'string' ? visible(c) : c)));
  return node;
}

/** An element of a drawing. @param {string} tag @param {Record<string, string>} attrs @param {...Node} children */
export function svg(tag, attrs, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attrs)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** @param {string} id */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`the page has no #${id}`);
  return node;
}

/** @param {Element} node @param {string} text */
export function setText(node, text) {
  const shown = visible(text);
  if (node.textContent !== shown) node.textContent = shown;
}

/** @param {Element} node @param {string} name @param {string | undefined} value */
export function setAttr(node, name, value) {
  if (value === undefined) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, name === 'title' ? visible(value) : value);
}

/** @type {WeakMap<Node, string>} */
const shown = new WeakMap();

/** Children anew, but only when what they show changed. @param {HTMLElement} node @param {unknown} shows @param {() => (Node | string)[]} build */
export function rebuild(node, shows, build) {
  const signature = JSON.stringify(shows);
  if (shown.get(node) === signature) return;
  shown.set(node, signature);
  node.replaceChildren(...build().map((c) => (typeof c === 'string' ? visible(c) : c)));
}
