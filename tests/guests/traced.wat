;; Answers as the honest one does, but not when it is asked for every check.
(func (export "dean:policy/policy@0.1.0#decide") (param $asked i32) (result i32)
  (if (i32.load8_u offset=36 (local.get $asked)) (then (unreachable)))
  (call $decision (i32.const 8192) (i32.const 0) (i32.const 1) (f64.const 0) (i32.const 0) (f64.const 1))
  (call $answer (i32.const 8192) (i32.const 1)))
