/** Who the user is to m8, and which m8 that is; with the box about the console itself. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Me, SignsWith } from "../api/documents/session";
import { Button, Checkbox, Dialog, Facts, Icon, List, Time } from "../parts";
import { useCell } from "../state/cell";
import { useMe } from "../state/me";
import { slashSearches } from "./Search";

export function Who() {
  const who = useMe();
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="who" aria-haspopup="dialog" onClick={() => setOpen(true)}>
        <Icon name="user" />
        <span class="unseen">You and this console: </span>
        <span class="who-words">
          <span class="who-subject">{who.subject || "unknown"}</span>
          <span class="who-server">
            {who.role !== "user" && `${who.role} · `}
            {who.context !== "" && `${who.context} · `}
            {who.server}
          </span>
        </span>
      </button>
      {open && <About onClose={() => setOpen(false)} />}
    </>
  );
}

function About({ onClose }: { onClose: () => void }) {
  const who = useMe();
  const slash = useCell(slashSearches);
  return (
    <Dialog title="You and this console" onClose={onClose} actions={<Button onClick={onClose}>Close</Button>}>
      <Facts
        of={[
          ["Subject", who.subject || "unknown while m8 is away"],
          ["Role", who.role],
          ["Server", <span class="mono">{who.server}</span>],
          who.context === "" ? null : ["Context", who.context],
          who.groups.length === 0 ? null : ["Groups", <List of={who.groups} mono />],
          ...rightsOf(who),
          ["Signs with", <Signs of={who.signs_with} />],
          ["Credential", who.credential],
          who.login === "renewed" ? ["Logged in until", "you log out, or the issuer ends it: monoctl renews it"] : [who.login === "" ? "Credential expires" : "Logged in until", <Time at={who.expires} never="not known" />],
          ["monoctl", who.monoctl_version],
          ["m8", who.m8_version || "not known"],
        ]}
      />
      <p class="small">m8 says who you are, what you may do, and its version. What a receipt proves is marked “Proven” where it is shown.</p>
      <h3>Keys</h3>
      <Keys />
      <Checkbox label="Use the / key" checked={slash} onChange={(on) => slashSearches.set(on)} />
      <h3>About</h3>
      <p class="small">
        This page is served by the monoctl on this machine. It keeps nothing: close it, and its session is gone.{" "}
        <a href="/licences.txt" target="_blank" rel="noreferrer">
          Licences of what it is made of
        </a>
      </p>
    </Dialog>
  );
}

/** What the caller may do. Of a member, each prefix has its own rights. */
function rightsOf(who: Me): [string, ComponentChildren][] {
  if (who.may.length > 0) return who.may.map(({ prefix, rights, role_binding }) => [`Below ${prefix}, by ${role_binding}`, <List of={rights} />]);
  return [
    ["Prefixes", who.prefixes.length === 0 ? "none" : <List of={who.prefixes} mono />],
    ["Rights", who.rights.length === 0 ? "none" : <List of={who.rights} />],
  ];
}

/** The program signs, never the page. */
function Signs({ of: { key, principal, touch, trouble } }: { of: SignsWith }) {
  if (key === "") return <>{trouble || "no key: stores that take signed requests alone refuse yours"}</>;
  return (
    <>
      <code>{key}</code>
      {principal !== "" && ` as ${principal}`}
      {touch && ", when you touch your security key"}
    </>
  );
}

function Keys() {
  return (
    <ul class="keys">
      <li>
        <kbd>/</kbd> goes to the search field.
      </li>
      <li>
        <kbd>↑</kbd> <kbd>↓</kbd> go from row to row in a table; <kbd>Shift</kbd> with a click on a box chooses all rows between.
      </li>
      <li>
        <kbd>Esc</kbd> closes what stands over the page.
      </li>
    </ul>
  );
}
