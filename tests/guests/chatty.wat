;; Logs a million lines and then answers.
(func (export "dean:policy/policy@0.1.0#decide") (param i32) (result i32)
  (local $i i32)
  (loop $more
    (call $log (i32.const 1) (i32.const 16) (i32.const 7))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $more (i32.lt_u (local.get $i) (i32.const 1000000))))
  (call $answer (i32.const 8192) (i32.const 0)))
