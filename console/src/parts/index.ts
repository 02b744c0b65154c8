/** All parts of the page, in one place to find them. Each says in its file what it promises.
 *
 * controls: Button, Link, CopyButton, Field, TextField, Select, Checkbox, Radios, Chip, ChipMenu, Tip.
 * boxes, which hold others: Dialog, Panel, FailureBox, PageHead, Card, Facts, Banner, FalseProof, Empty, Skeleton, Stop.
 * words, which show one thing: Badge, Status, Outcome, Proven, Hash, Labels, List, Person, Uri, Time, Expiry, HowLong, Said, SignedBy.
 * tables: Table, Pages. And Icon.
 */

export { Dialog, Panel } from "./boxes/Dialog";
export { FailureBox, Stop } from "./boxes/FailureBox";
export { Banner, Card, Empty, Facts, FalseProof, PageHead, Skeleton } from "./boxes/Page";
export { Button, Chip, ChipMenu, CopyButton, Link, Tip } from "./controls/Button";
export { Checkbox, type Choice, Field, Radios, Select, TextField } from "./controls/Field";
export { Icon, type IconName } from "./Icon";
export { type Column, Pages, Table } from "./tables/Table";
export { Badge, Outcome, outcomeWords, Proven, SignedBy, Status, STATUSES, type Tone } from "./words/Badge";
export { Hash, hueOf } from "./words/Hash";
export { Labels, List } from "./words/Labels";
export { Person } from "./words/Person";
export { Said } from "./words/Said";
export { exact, Expiry, HowLong, lengthWords, Time, useNow } from "./words/Time";
export { isBelow, partsOf, Uri } from "./words/Uri";
