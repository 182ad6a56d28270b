# A state that fails, and one that Salt does not run because of it; the effect is declared first.
blocked by it:
  test.succeed_with_changes:
    - require:
      - test: the cause

the cause:
  test.fail_with_changes
