;; A rule that is not declared.
(func (export "dean:policy/policy@0.1.0#decide") (param i32) (result i32)
  (call $decision (i32.const 8192) (i32.const 0) (i32.const 1) (f64.const 0) (i32.const 7) (f64.const 1))
  (call $answer (i32.const 8192) (i32.const 1)))
