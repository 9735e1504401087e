;; Points behind its memory.
(func (export "dean:policy/policy@0.1.0#decide") (param i32) (result i32)
  (call $answer (i32.const 0x7ffffff0) (i32.const 10)))
