# What a highstate applies. With the pillar `fail` it fails.
in the highstate:
  test.{{ 'fail_without_changes' if pillar.get('fail') else 'succeed_with_changes' }}
