// @ts-check
// The table of servers: hosts and processes that send heartbeats.

import { el, setAttr, setText, byId } from './dom.js';
import { bytes, decimal, duration, moment, num, str, NONE } from './format.js';
import { Rows, ages, cell, particulars, setState } from './rows.js';

const HIGH = 90; // percent, from where a bar warns

export class Servers {
  #rows;

  /** @param {() => void} again */
  constructor(again) {
    this.#rows = new Rows(byId('server-rows'), byId('servers-more'), serverRow, again);
  }

  /** @param {import('./model.js').ServerItem[]} items @param {number} now */
  show(items, now) {
    this.#rows.show(items, now);
  }

  /** @param {number} now */
  tick(now) {
    this.#rows.tick(now);
  }
}

/** @param {string} id @returns {import('./rows.js').Row} */
function serverRow(id) {
  /** @type {import('./model.js').ServerItem} */
  let item;
  const node = el('tr', { role: 'row', 'data-server': id });
  const details = particulars(node, () => facts(item));
  const age = ages();
  const state = el('span', { class: 'state' });
  const name = el('bdi', { class: 'name' });
  const environment = el('bdi', { class: 'fact notes' });
  const app = el('bdi', { class: 'cut' });
  const cpu = gauge('cpu', 'CPU');
  const memory = gauge('memory', 'memory');
  const disk = gauge('disk', 'disk');
  const load = cell('load', 'load');
  const rss = cell('rss', 'process');
  const uptime = cell('uptime', 'up');
  const runtime = cell('runtime', 'runtime');

  const stateCell = cell('state');
  stateCell.append(state);
  const appCell = cell('app');
  appCell.append(app);
  node.append(
    stateCell, el('th', { role: 'rowheader', scope: 'row', class: 'c-queue' }, details.button, name, age.seen, environment), appCell,
    cpu.node, memory.node, disk.node, load, rss, uptime, runtime, age.updated, details.body,
  );

  return {
    node,
    update(next) {
      item = next;
      const { server, meta } = item;
      const system = server.system ?? {};
      const proc = server.process ?? {};
      setAttr(node, 'data-status', str(server.status) || 'unknown');
      setAttr(node, 'data-level', item.state.level);
      setState(state, item.state);
      setText(name, item.name);
      setAttr(name, 'title', item.name);
      setText(app, item.app);
      setAttr(app, 'title', item.app);
      setText(environment, str(meta.environment));

      const cores = num(system.cpu_cores);
      const percent = num(system.cpu_usage);
      cpu.set(percent, percent === undefined ? NONE : `${decimal(percent)} %`, cores === undefined ? '' : `of ${decimal(cores)} ${cores === 1 ? 'core' : 'cores'}`);
      setShare(memory, system.memory_total, system.memory_free);
      setShare(disk, system.disk_total, system.disk_free);
      const loads = (Array.isArray(system.load_avg) ? system.load_avg : []).filter((n) => num(n) !== undefined);
      setText(load, loads.length ? loads.map((n) => n.toFixed(2)).join(' ') : NONE);
      setAttr(load, 'title', 'load average over 1, 5 and 15 minutes');
      setText(rss, bytes(proc.memory_rss));
      setAttr(rss, 'title', `resident memory of process ${num(proc.pid) ?? ''}`);
      const up = num(proc.uptime);
      setText(uptime, up === undefined ? NONE : duration(up * 1000));
      const stack = [str(meta.runtime), str(meta.version)].filter(Boolean).join(' · ');
      setText(runtime, stack || NONE);
      setAttr(runtime, 'title', stack || 'it does not say');
      age.update(server);
      details.refill();
    },
    tick: age.tick,
  };
}

/** A share of a whole, as a bar and in words. @param {string} name @param {string} label */
function gauge(name, label) {
  const node = cell(name, label);
  const fill = el('i');
  const text = el('span', { class: 'amount' });
  const of = el('span', { class: 'of' });
  node.append(el('span', { class: 'bar', 'aria-hidden': 'true' }, fill), text, of);
  return {
    node,
    /** @param {number | undefined} percent @param {string} amount @param {string} [whole] */
    set(percent, amount, whole = '') {
      fill.style.width = `${Math.min(100, Math.max(0, percent ?? 0))}%`;
      setAttr(node, 'data-level', percent !== undefined && percent >= HIGH ? 'high' : percent === undefined ? 'none' : 'normal');
      setText(text, amount);
      setText(of, whole);
    },
  };
}

/** @param {ReturnType<typeof gauge>} to @param {unknown} total @param {unknown} free */
function setShare(to, total, free) {
  const [all, left] = [num(total), num(free)];
  if (!all || left === undefined) return to.set(undefined, NONE, all ? `of ${bytes(all)}` : '');
  to.set(((all - left) / all) * 100, bytes(Math.max(0, all - left)), `of ${bytes(all)}`);
}

/** @param {import('./model.js').ServerItem} item @returns {[string, unknown][]} */
function facts({ app, name, server, meta }) {
  const { hostname, platform, cpu_cores: cores } = server.system ?? {};
  const { pid, memory_heap: heap, cpu_usage: cpu } = server.process ?? {};
  return [
    ['id', name], ['app', app], ['hostname', hostname], ['platform', platform], ['cores', cores],
    ['process', num(pid) && String(pid)], ['process CPU', num(cpu) && `${decimal(cpu)} %`], ['heap', num(heap) && bytes(heap)],
    ['reported at', moment(server.timestamp)], ...Object.entries(meta),
  ];
}
