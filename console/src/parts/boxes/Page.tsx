/** What views are made of: a heading, boxes, facts, and what stands there while there is nothing. */

import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "../Icon";

interface PageHeadProps {
  title: ComponentChildren;
  /** One sentence. */
  lead?: ComponentChildren;
  /** Buttons at the right. */
  actions?: ComponentChildren;
  /** What stands above the title, e.g. a way back. */
  above?: ComponentChildren;
}

/** The one h1 of a view. It takes the focus when the user arrives. */
export function PageHead({ title, lead, actions, above }: PageHeadProps) {
  return (
    <header class="page-head">
      <div class="page-title">
        {above !== undefined && <div class="page-above">{above}</div>}
        <h1 tabIndex={-1}>{title}</h1>
        {lead !== undefined && <p class="page-lead">{lead}</p>}
      </div>
      {actions !== undefined && <div class="page-actions">{actions}</div>}
    </header>
  );
}

/** A part of a view with a heading of its own. */
export function Card({ title, actions, children, flush = false }: { title?: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren; flush?: boolean }) {
  return (
    <section class={`card ${flush ? "card-flush" : ""}`}>
      {(title !== undefined || actions !== undefined) && (
        <header class="card-head">
          <h2>{title}</h2>
          {actions !== undefined && <div class="card-actions">{actions}</div>}
        </header>
      )}
      {children}
    </section>
  );
}

/** Names with what they are: [name, content]; what is `null` is left out. */
export function Facts({ of }: { of: readonly ([string, ComponentChildren] | null)[] }) {
  return (
    <dl class="facts">
      {of.map(
        (fact) =>
          fact !== null && (
            <div key={fact[0]}>
              <dt>{fact[0]}</dt>
              <dd>{fact[1]}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

/** What stands where there is nothing: why, and what to do next. */
export function Empty({ icon = "key", title, children, actions }: { icon?: IconName; title: string; children?: ComponentChildren; actions?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <p class="empty-title">{title}</p>
      {children !== undefined && <div class="empty-text">{children}</div>}
      {actions !== undefined && <div class="empty-actions">{actions}</div>}
    </div>
  );
}

/** Grey lines while the first answer is on its way. They appear after a moment, so that quick answers do not blink. */
export function Skeleton({ lines = 3 }: { lines?: number }) {
  return (
    <div class="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, at) => (
        <span key={at} class={`skeleton-line skeleton-${at % 4}`} />
      ))}
    </div>
  );
}

/** A sentence with a tone, e.g. above a view. */
export function Banner({ tone, icon, children, actions }: { tone: "info" | "good" | "warn" | "bad"; icon: IconName; children: ComponentChildren; actions?: ComponentChildren }) {
  return (
    <div class={`banner banner-${tone}`} role={tone === "bad" ? "alert" : "status"}>
      <Icon name={icon} />
      <div class="banner-text">{children}</div>
      {actions}
    </div>
  );
}

/** What is said where the proof that m8 shows is false. */
export function FalseProof({ why }: { why: string }) {
  return (
    <Banner tone="bad" icon="shieldOff">
      <strong>m8 shows a false proof.</strong> {why} Do not believe what stands here. Tell the operator of the store, by another way than m8.
    </Banner>
  );
}
