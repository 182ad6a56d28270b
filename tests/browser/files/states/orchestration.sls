# Waits on one minion until the file that the pillar names exists, then applies states on both.
wait for the test:
  salt.function:
    - name: cmd.run
    - tgt: browser-minion
    - arg:
        - while [ ! -e '{{ pillar.file }}' ]; do sleep 0.2; done

apply the states:
  salt.state:
    - tgt: 'browser-*'
    - sls: mixed

never reached:
  salt.function:
    - name: test.ping
    - tgt: '*'
    - require:
        - salt: apply the states
