// @ts-check
// What Pulse itself could not read: unreadable keys, refused commands.

import { byId, el, rebuild, setText } from './dom.js';
import { plural, str } from './format.js';
import { isObject } from './patch.js';

const IN_SIGHT = 3;
const MOST = 200;

/** All but that Redis is down, which the header says. @param {import('./model.js').View} view @returns {{ key: string, reason: string }[]} */
export const problemsOf = ({ problems: list, redis_down: down }) =>
  (Array.isArray(list) ? list : []).filter(isObject).filter((p) => !(down && p.key === 'redis'))
    .map((p) => ({ key: str(p.key), reason: str(p.reason) || 'no reason given' }));

/** @param {ReturnType<typeof problemsOf>} problems */
export function showProblems(problems) {
  const more = problems.length - IN_SIGHT;
  byId('problems').hidden = problems.length === 0;
  setText(byId('problems-count'), plural(problems.length, 'problem'));
  fill(byId('problems-first'), problems.slice(0, IN_SIGHT));
  byId('problems-rest').hidden = more <= 0;
  setText(byId('problems-rest-count'), `${more} more`);
  const rest = problems.slice(IN_SIGHT, MOST);
  if (problems.length > MOST) rest.push({ key: 'api/v1/view', reason: `lists the other ${problems.length - MOST}` });
  fill(byId('problems-others'), rest);
}

/** @param {HTMLElement} list @param {ReturnType<typeof problemsOf>} problems */
function fill(list, problems) {
  rebuild(list, problems, () => problems.map((p) => el('li', {}, el('code', {}, el('bdi', {}, p.key)), el('span', {}, p.reason))));
}
