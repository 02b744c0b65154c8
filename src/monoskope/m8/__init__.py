"""The control plane: m8 decides who may do what, carries sealed secrets, and records every event in its log.

m8 is event-sourced. A `Commands` method checks its caller, folds the events of one stream (the aggregate) into a value,
asks the domain which events follow, and appends them to the `EventLog` on the version that it read. In the same
transaction the read models change, from which queries are answered. Reactors attach to m8, follow the log and append
their own events. `App` is one running process: the log, the limits, and the feed that wakes waiting calls.

Read in this order:

- `log`: the interface `EventLog`, the form of a record, the hash chain, the SQLite engine;
- `domain`: pure functions that fold events and decide on new ones;
- `readmodels`: pure functions that turn an event into documents;
- `service` and `queries`: the use cases and the answers, without a transport;
- `methods`: the table of methods; `calls`: what every call has in common; `http`: the door that serves them;
- `credentials` and `limits`: who calls, and how much a caller may use;
- `background`: deadlines, missing heartbeats, scheduled verification;
- `bootstrap`: where all of it is put together; `cli`, `init` and `dev`: the program `m8`.

One rule always holds: no module that m8 imports can seal or open a secret. import-linter and a test hold it to that.
"""
