/** All parts of the page, in one place to find them. Each says in its file what it promises.
 *
 * controls: Button, Link, CopyButton, Field, TextField, Select, Checkbox, Radios, Chip, ChipMenu, Tip.
 * boxes, which hold others: Dialog, Panel, FailureBox, PageHead, Card, Facts, Banner, Empty, Skeleton, Stop.
 * words, which show one thing: Badge, Status, Outcome, Proven, Hash, Labels, List, Uri, Time, Expiry, HowLong, Said, SignedBy.
 * tables: Table, Pages. And Icon.
 */

export { Dialog, Panel } from "./boxes/Dialog";
export { FailureBox } from "./boxes/FailureBox";
export { Banner, Card, Empty, Facts, PageHead, Skeleton } from "./boxes/Page";
export { Stop } from "./boxes/Stop";
export { Button, Link } from "./controls/Button";
export { Chip, ChipMenu } from "./controls/Chips";
export { CopyButton } from "./controls/CopyButton";
export { Checkbox, type Choice, Field, Radios, Select, TextField } from "./controls/Field";
export { Tip } from "./controls/Tip";
export { Icon, type IconName } from "./Icon";
export { type Column, Table } from "./tables/Table";
export { Pages } from "./tables/Pages";
export { Badge, Outcome, outcomeWords, Status, STATUSES, type Tone } from "./words/Badge";
export { Hash, hueOf } from "./words/Hash";
export { HowLong } from "./words/HowLong";
export { Labels } from "./words/Labels";
export { List } from "./words/List";
export { Proven } from "./words/Proven";
export { Said } from "./words/Said";
export { SignedBy } from "./words/SignedBy";
export { exact, Expiry, lengthWords, Time, useNow } from "./words/Time";
export { isBelow, partsOf, Uri } from "./words/Uri";
