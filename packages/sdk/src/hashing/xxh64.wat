;; XXH64, as in https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
;;
;; The five primes of the specification stand here as they are, since there are no named constants:
;;   P1 0x9e3779b185ebca87   P2 0xc2b2ae3d27d4eb4f   P3 0x165667b19e3779f9
;;   P4 0x85ebca77c2b2ae63   P5 0x27d4eb2f165667c5
;; The round, rotl(lane + input * P2, 31) * P1, is written out wherever it is needed: V8 inlines no function of a module
;; like this one, and a dozen calls are a fifth of a hash of 32 bytes.
(module
  (memory (export "memory") 1)

  ;; Hashes `length` bytes from address 8. Leaves the hash at address 0, and returns its lower half: for an i64 that is
  ;; returned V8 makes a BigInt.
  (func (export "hash") (param $length i32) (param $seedHigh i32) (param $seedLow i32) (result i32)
    (local $at i32) (local $end i32) (local $hash i64)
    (local $lane1 i64) (local $lane2 i64) (local $lane3 i64) (local $lane4 i64)
    (local.set $at (i32.const 8))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (local.set $hash
      (i64.or
        (i64.shl (i64.extend_i32_u (local.get $seedHigh)) (i64.const 32))
        (i64.extend_i32_u (local.get $seedLow))))

    (if (i32.ge_u (local.get $length) (i32.const 32))
      (then
        ;; seed + P1 + P2, seed + P2, seed and seed - P1
        (local.set $lane1 (i64.add (local.get $hash) (i64.const 0x60ea27eeadc0b5d6)))
        (local.set $lane2 (i64.add (local.get $hash) (i64.const 0xc2b2ae3d27d4eb4f)))
        (local.set $lane3 (local.get $hash))
        (local.set $lane4 (i64.sub (local.get $hash) (i64.const 0x9e3779b185ebca87)))

        ;; Stripes of 32 bytes: each 8 of them into a lane of its own.
        (loop $stripe
          (local.set $lane1
            (i64.mul
              (i64.rotl
                (i64.add (local.get $lane1) (i64.mul (i64.load (local.get $at)) (i64.const 0xc2b2ae3d27d4eb4f)))
                (i64.const 31))
              (i64.const 0x9e3779b185ebca87)))
          (local.set $lane2
            (i64.mul
              (i64.rotl
                (i64.add (local.get $lane2) (i64.mul (i64.load offset=8 (local.get $at)) (i64.const 0xc2b2ae3d27d4eb4f)))
                (i64.const 31))
              (i64.const 0x9e3779b185ebca87)))
          (local.set $lane3
            (i64.mul
              (i64.rotl
                (i64.add (local.get $lane3) (i64.mul (i64.load offset=16 (local.get $at)) (i64.const 0xc2b2ae3d27d4eb4f)))
                (i64.const 31))
              (i64.const 0x9e3779b185ebca87)))
          (local.set $lane4
            (i64.mul
              (i64.rotl
                (i64.add (local.get $lane4) (i64.mul (i64.load offset=24 (local.get $at)) (i64.const 0xc2b2ae3d27d4eb4f)))
                (i64.const 31))
              (i64.const 0x9e3779b185ebca87)))
          (local.set $at (i32.add (local.get $at) (i32.const 32)))
          (br_if $stripe (i32.le_u (i32.add (local.get $at) (i32.const 32)) (local.get $end))))

        ;; The lanes into one: their sum, each turned by its own number of bits, ...
        (local.set $hash
          (i64.add
            (i64.add (i64.rotl (local.get $lane1) (i64.const 1)) (i64.rotl (local.get $lane2) (i64.const 7)))
            (i64.add (i64.rotl (local.get $lane3) (i64.const 12)) (i64.rotl (local.get $lane4) (i64.const 18)))))
        ;; ... then each mixed in once more: (hash ^ round(0, lane)) * P1 + P4.
        (local.set $hash
          (i64.add
            (i64.mul
              (i64.xor
                (local.get $hash)
                (i64.mul
                  (i64.rotl (i64.mul (local.get $lane1) (i64.const 0xc2b2ae3d27d4eb4f)) (i64.const 31))
                  (i64.const 0x9e3779b185ebca87)))
              (i64.const 0x9e3779b185ebca87))
            (i64.const 0x85ebca77c2b2ae63)))
        (local.set $hash
          (i64.add
            (i64.mul
              (i64.xor
                (local.get $hash)
                (i64.mul
                  (i64.rotl (i64.mul (local.get $lane2) (i64.const 0xc2b2ae3d27d4eb4f)) (i64.const 31))
                  (i64.const 0x9e3779b185ebca87)))
              (i64.const 0x9e3779b185ebca87))
            (i64.const 0x85ebca77c2b2ae63)))
        (local.set $hash
          (i64.add
            (i64.mul
              (i64.xor
                (local.get $hash)
                (i64.mul
                  (i64.rotl (i64.mul (local.get $lane3) (i64.const 0xc2b2ae3d27d4eb4f)) (i64.const 31))
                  (i64.const 0x9e3779b185ebca87)))
              (i64.const 0x9e3779b185ebca87))
            (i64.const 0x85ebca77c2b2ae63)))
        (local.set $hash
          (i64.add
            (i64.mul
              (i64.xor
                (local.get $hash)
                (i64.mul
                  (i64.rotl (i64.mul (local.get $lane4) (i64.const 0xc2b2ae3d27d4eb4f)) (i64.const 31))
                  (i64.const 0x9e3779b185ebca87)))
              (i64.const 0x9e3779b185ebca87))
            (i64.const 0x85ebca77c2b2ae63))))
      (else
        ;; seed + P5
        (local.set $hash (i64.add (local.get $hash) (i64.const 0x27d4eb2f165667c5)))))

    (local.set $hash (i64.add (local.get $hash) (i64.extend_i32_u (local.get $length))))

    ;; What is left by eights: rotl(hash ^ round(0, input), 27) * P1 + P4, ...
    (block $noEight
      (loop $eight
        (br_if $noEight (i32.gt_u (i32.add (local.get $at) (i32.const 8)) (local.get $end)))
        (local.set $hash
          (i64.add
            (i64.mul
              (i64.rotl
                (i64.xor
                  (local.get $hash)
                  (i64.mul
                    (i64.rotl (i64.mul (i64.load (local.get $at)) (i64.const 0xc2b2ae3d27d4eb4f)) (i64.const 31))
                    (i64.const 0x9e3779b185ebca87)))
                (i64.const 27))
              (i64.const 0x9e3779b185ebca87))
            (i64.const 0x85ebca77c2b2ae63)))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $eight)))
    ;; ... by four: rotl(hash ^ input * P1, 23) * P2 + P3, ...
    (if (i32.le_u (i32.add (local.get $at) (i32.const 4)) (local.get $end))
      (then
        (local.set $hash
          (i64.add
            (i64.mul
              (i64.rotl
                (i64.xor
                  (local.get $hash)
                  (i64.mul (i64.load32_u (local.get $at)) (i64.const 0x9e3779b185ebca87)))
                (i64.const 23))
              (i64.const 0xc2b2ae3d27d4eb4f))
            (i64.const 0x165667b19e3779f9)))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))))
    ;; ... and by ones: rotl(hash ^ input * P5, 11) * P1.
    (block $noOne
      (loop $one
        (br_if $noOne (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $hash
          (i64.mul
            (i64.rotl
              (i64.xor
                (local.get $hash)
                (i64.mul (i64.load8_u (local.get $at)) (i64.const 0x27d4eb2f165667c5)))
              (i64.const 11))
            (i64.const 0x9e3779b185ebca87)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $one)))

    ;; The avalanche: every bit of the input reaches every bit of the hash.
    (local.set $hash
      (i64.mul
        (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 33)))
        (i64.const 0xc2b2ae3d27d4eb4f)))
    (local.set $hash
      (i64.mul
        (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 29)))
        (i64.const 0x165667b19e3779f9)))
    (local.set $hash (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 32))))
    (i64.store (i32.const 0) (local.get $hash))
    (i32.wrap_i64 (local.get $hash))))
