;; What every guest of this folder shares: a manifest for stage testing, a plan of one column
;; (spend_today) and one rule, an allocator that never frees, and room for an answer at 4096.
(import "dean:policy/log@0.1.0" "write" (func $log (param i32 i32 i32)))
(memory (export "memory") 2)
(global $heap (mut i32) (i32.const 65536))

(data (i32.const 16) "hostile")          ;; 7
(data (i32.const 32) "1.0.0")            ;; 5
(data (i32.const 48) "testing")          ;; 7
(data (i32.const 64) "spend_today")      ;; 11
(data (i32.const 80) "always")           ;; 6
;; stages: one string
(data (i32.const 96) "\30\00\00\00\07\00\00\00")
;; columns: one string
(data (i32.const 104) "\40\00\00\00\0b\00\00\00")
;; rules: one record of id, title, doc
(data (i32.const 112) "\50\00\00\00\06\00\00\00\50\00\00\00\06\00\00\00\50\00\00\00\06\00\00\00")
;; manifest: name, version, doc, stages, params
(data (i32.const 256) "\10\00\00\00\07\00\00\00\20\00\00\00\05\00\00\00\10\00\00\00\07\00\00\00\60\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00")
;; ok(plan): columns, text-columns, context, derived, rules
(data (i32.const 320) "\00\00\00\00\68\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\70\00\00\00\01\00\00\00")

(func (export "dean:policy/policy@0.1.0#describe") (result i32) (i32.const 256))
(func (export "dean:policy/policy@0.1.0#prepare") (param i32 i32 i32 i32) (result i32) (i32.const 320))
(func $realloc (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $new i32) (result i32)
  (local $at i32)
  (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
  (global.set $heap (i32.add (local.get $at) (local.get $new)))
  (block $fits
    (loop $more
      (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
      (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable)))
      (br $more)))
  (local.get $at))

;; Writes ok(answer) with the given lists of ad decisions at 4096 and returns it.
(func $answer (param $ads i32) (param $count i32) (result i32)
  (i32.store (i32.const 4096) (i32.const 0))
  (i32.store (i32.const 4100) (local.get $ads))
  (i32.store (i32.const 4104) (local.get $count))
  (i32.store (i32.const 4108) (i32.const 0))
  (i32.store (i32.const 4112) (i32.const 0))
  (i32.store (i32.const 4116) (i32.const 0))
  (i32.store (i32.const 4120) (i32.const 0))
  (i32.const 4096))

;; Writes one ad decision (40 bytes): row, verb, amount, rule, confidence.
(func $decision (param $at i32) (param $row i32) (param $verb i32) (param $amount f64) (param $rule i32) (param $confidence f64)
  (i32.store (local.get $at) (local.get $row))
  (i32.store8 offset=4 (local.get $at) (local.get $verb))
  (f64.store offset=8 (local.get $at) (local.get $amount))
  (i32.store offset=16 (local.get $at) (local.get $rule))
  (f64.store offset=24 (local.get $at) (local.get $confidence)))
