;; An answer of a hundred megabytes for a few ads.
(func (export "dean:policy/policy@0.1.0#decide") (param i32) (result i32)
  (drop (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 104857600)))
  (call $answer (i32.const 65536) (i32.const 3276800)))
