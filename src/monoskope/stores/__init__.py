"""Store drivers: each teaches a reactor one kind of engine, behind the small interface `StoreDriver`.

A driver is one class. Its `Config` is the `[engine]` table of reactor.toml, its `Capabilities` say what the engine can
do, and it has six verbs: `read_version`, `read`, `write`, `find`, `patch` and `delete`. `check` and `check_payload`
refuse what the engine could never take, before anything is compared. Errors are `DriverError` classes; each says
whether something may have been written.

Read in this order:

- `driver`: the interface, with every promise that a driver makes;
- `registry`: how a driver is found, also one from a package of your own;
- `age`: the simplest engine, a folder of encrypted files;
- `vault`, `aws`, `kubernetes`, `barbican` and `password_store`: one package an engine, with its configuration, login,
  requests and policy;
- `shared`: what several of them need.

docs/write-a-driver.md shows how to write one. `monoskope.testing.drivers` is the suite that every driver must pass.

One rule always holds: no value and no text of the engine's stands in a message, a `repr` or a log line. No engine's
package imports another's.
"""
