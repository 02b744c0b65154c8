// All tests of this package in one process: tests/unit/protocol/test_typescript.py runs them.
import "./vectors.test.ts";
import "./walk.test.ts";
