/** All parts of the page, in one place to find them. Each says in its file what it promises.
 *
 * Doing: Button, Link, CopyButton. Asking: Field, TextField, Select, Checkbox, Radios, Chip, ChipMenu.
 * Over the page: Dialog, Panel. Showing: Table, Pages, Badge, Status, Outcome, Proven, Hash, Marker, Labels, Uri, Time, Expiry, Facts, Icon.
 * Saying: FailureBox, Said, Banner, Empty, Skeleton, Tip. Laying out: PageHead, Card.
 */

export { Badge, Outcome, outcomeWords, Status, STATUSES, type Tone } from "./Badge";
export { Button, type ButtonProps, Link } from "./Button";
export { Chip, ChipMenu } from "./Chips";
export { CopyButton } from "./CopyButton";
export { Dialog, type DialogProps, Panel } from "./Dialog";
export { FailureBox } from "./FailureBox";
export { Checkbox, type Choice, Field, type FieldAttributes, Radios, Select, TextField } from "./Field";
export { Hash, hueOf, Marker, shortHash } from "./Hash";
export { Icon, type IconName } from "./Icon";
export { Banner, Card, Empty, Facts, PageHead, Skeleton } from "./Page";
export { Labels } from "./Labels";
export { Pages } from "./Pages";
export { Proven } from "./Proven";
export { asSentence, Said } from "./Said";
export { type Column, type Sorting, Table } from "./Table";
export { daysTo, exact, Expiry, lengthWords, relative, Time, useNow } from "./Time";
export { Tip } from "./Tip";
export { isBelow, partsOf, Uri } from "./Uri";
