# One state of each kind, in an order that is not the one in which the console shows them.
nothing to do:
  test.succeed_without_changes

something changed:
  test.succeed_with_changes

something broke:
  test.fail_without_changes
