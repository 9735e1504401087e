;; Calls itself without end.
(func $deeper (param $n i64) (result i64)
  (i64.add (call $deeper (i64.add (local.get $n) (i64.const 1))) (i64.const 1)))
(func (export "dean:policy/policy@0.1.0#decide") (param i32) (result i32)
  (drop (call $deeper (i64.const 0))) (unreachable))
