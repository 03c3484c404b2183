// What needs attention: the worst troubles, one item a cause.

import { signal } from '@preact/signals'
import type { ComponentChild, VNode } from 'preact'
import { short } from '../format.js'
import { t } from '../messages.js'
import { STATES } from '../model.js'
import { mute, mutedTroubles, troubles } from '../store.js'
import type { Trouble } from '../trouble.js'
import { named, Sentence, shortName, TroubleLink } from './sentence.js'
import { Foreign, Since, StateMark } from './text.js'
import { narrow } from './virtual.js'

const MOST = 5
const MOST_EXPANDED = 100 // the list of queues has all of them
const MOST_NARROW = 2 // the first row of the list must be in sight, too

const expanded = signal(false)

export function Attention(): ComponentChild {
  const list = troubles.value
  const silenced = mutedTroubles.value
  if (!list.length && !silenced.length) return null
  const most = narrow.value ? MOST_NARROW : MOST
  return (
    <section id="attention" aria-labelledby="attention-title">
      <h2 id="attention-title" class={list.length ? '' : 'unseen'}>{t('attention.title')}</h2>
      <ul>{list.slice(0, expanded.value ? MOST_EXPANDED : most).map((trouble) => <Item key={trouble.id} of={trouble} />)}</ul>
      {list.length > most && (
        <button type="button" class="quiet rest" aria-expanded={expanded.value} onClick={() => { expanded.value = !expanded.value }}>
          {expanded.value ? t('attention.less') : t('attention.rest', { n: list.length - most })}
        </button>
      )}
      {silenced.length > 0 && (
        <details class="muted-list">
          <summary>{t('trouble.muted', { n: silenced.length })}</summary>
          <ul>{silenced.map((trouble) => <Item key={trouble.id} of={trouble} muted />)}</ul>
        </details>
      )}
    </section>
  )
}

function Item({ of: trouble, muted = false }: { of: Trouble; muted?: boolean }): VNode {
  const name = shortName(trouble)
  const label = t(muted ? 'trouble.unmute' : 'trouble.mute')
  return (
    <li data-trouble={trouble.id} data-level={trouble.level}>
      <StateMark state={stateOf(trouble)} />
      <p class="what">
        <TroubleLink of={trouble}><Reason of={trouble} /></TroubleLink>
      </p>
      <span class="app">{trouble.kind === 'queue' && <Foreign text={trouble.item.app} />}{trouble.kind === 'alert' && <Foreign text={trouble.alert.app} />}</span>
      <span class="since"><Since at={trouble.since} /></span>
      <button type="button" class="quiet" aria-label={`${label}: ${name}`} title={muted ? undefined : t('trouble.mute.why', { name })} onClick={() => mute(trouble.id, !muted)}>
        {label}
      </button>
    </li>
  )
}

/** The numbers of now; of what is failing the recorder's reason, as only it knows by how much that rose. */
function Reason({ of: trouble }: { of: Trouble }): ComponentChild {
  if (trouble.kind !== 'queue' || !trouble.item.why || trouble.item.state !== STATES.failing) return <Sentence of={trouble} />
  return <>{named(trouble.item.name)}: {short(trouble.item.why)}</>
}

function stateOf(trouble: Trouble) {
  switch (trouble.kind) {
    case 'queue': case 'server': return trouble.item.state
    case 'servers': return STATES[trouble.status]
    case 'reporter': return trouble.status === 'lost' ? STATES.lost : STATES.stale
    default: return STATES.problem
  }
}
